//! Asks the directory of a configuration file, as the server would, without a server.

use std::future::Future;
use std::path::Path;

use directory::chain::Directory;
use server::config::{self, Settings};

/// Opens the directory and lets `ask` ask it.
///
/// # Errors
/// A bad configuration, or a directory that cannot be set up; in words for the operator.
pub fn ask<T, F>(file: &Path, ask: impl FnOnce(Directory, Settings) -> F) -> Result<T, String>
where
    F: Future<Output = T>,
{
    let settings = config::load(file).map_err(|bad| bad.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let directory = server::open_directory(&settings).map_err(|error| error.to_string())?;
        Ok(ask(directory, settings).await)
    })
}
