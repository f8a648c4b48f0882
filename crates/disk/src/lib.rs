//! The only room that opens, syncs, renames, links and locks files.
