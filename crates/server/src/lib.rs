//! Sockets, TLS, roles, the sessions' drivers, delivery, configuration, admin.
