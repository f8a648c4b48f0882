//! `tepui serve`: a node of the platform, as its configuration file says.
//!
//! `SIGHUP` reads the file anew; a bad one keeps the old settings and says so. `SIGTERM` and `SIGINT` let sessions finish
//! what they do and stop within the drain time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use server::config::{self, Settings};
use server::{Running, log};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Run a node as a configuration file says
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    pub fn run(self) -> ExitCode {
        let settings = match config::load(&self.config) {
            Ok(settings) => settings,
            Err(bad) => {
                eprint!("{bad}");
                return ExitCode::from(super::MISUSED);
            }
        };
        log::start(&settings.log);
        match runtime(&settings) {
            Ok(runtime) => runtime.block_on(serve(&self.config, settings)),
            Err(error) => super::fail(error),
        }
    }
}

/// The threads of a node: one a core for sessions, and bounded ones for disk work.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime(settings: &Settings) -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().max_blocking_threads(settings.limits.disk_threads).build()
}

async fn serve(file: &Path, settings: Settings) -> ExitCode {
    let signals = Signals::new();
    let running = match server::start(settings).await {
        Ok(running) => running,
        Err(error) => return super::fail(error),
    };
    let mut signals = match signals {
        Ok(signals) => signals,
        Err(error) => return super::fail(error),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %file.display(), "started");
    while signals.next().await == Order::Reload {
        reload(&running, file).await;
    }
    tracing::info!("stopping");
    let cut = running.stop().await;
    tracing::info!(sessions_cut = cut, "stopped");
    ExitCode::SUCCESS
}

async fn reload(running: &Running, file: &Path) {
    let settings = match config::load(file) {
        Ok(settings) => settings,
        Err(bad) => {
            tracing::error!(config = %file.display(), mistakes = bad.mistakes.len(), "the configuration file is bad; the old settings stay in force");
            eprint!("{bad}");
            return;
        }
    };
    match running.reload(settings).await {
        Ok(()) => tracing::info!(config = %file.display(), "new settings are in force"),
        Err(error) => {
            tracing::error!(config = %file.display(), %error, "cannot use the new settings; the old ones stay in force")
        }
    }
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Reload,
    Stop,
}

/// The signals that a server obeys.
#[derive(Debug)]
pub struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on these signals do not kill the process.
    ///
    /// # Errors
    /// When the system refuses to register them.
    pub fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hang_up.recv() => Order::Reload,
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
        }
    }
}
