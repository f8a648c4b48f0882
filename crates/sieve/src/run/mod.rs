//! What scripts do.

mod names;

pub(crate) use names::{check_method, is_date_part, is_special_use, zone_minutes};
