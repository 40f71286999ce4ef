//! `holdfast demo`: the real control plane and worker, and real database servers of its own: three, and MySQL where it is installed, with the data of a
//! shop that keeps changing slowly. Everything lies in one directory; Ctrl-C stops all, the next start finds it as it was.
//!
//! - `place`: the directory and what is remembered between starts;
//! - `shell`: running the engines' tools for setting up and trading;
//! - `postgresql`, `mariadb`, `mysql`, `key_value`: one server each;
//! - `shop`: registration, first backups, and the trade that goes on.

mod key_value;
mod mariadb;
mod mysql;
mod place;
mod postgresql;
mod shell;
mod shop;

use domain::ScheduleSettings;

use crate::arguments::DemoArguments;
use crate::failure::Failure;
use crate::files::data_directory_or_default;
use crate::serve::{ControlPlane, ControlPlaneOptions};
use crate::signals::shutdown_token;
use place::Place;

/// Runs the demo until it is told to stop.
pub async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    let shutdown = shutdown_token()?;
    let directory = data_directory_or_default(arguments.data_dir, "holdfast-demo")?;
    let place = Place::open(directory)?;
    let control_plane = ControlPlane::start(ControlPlaneOptions {
        listen: arguments.listen,
        data_directory: place.control_directory(),
        database_url: None,
        master_key_file: None,
        schedule_settings: ScheduleSettings::default(),
        edge: api::EdgeSettings::default(),
        oidc: None,
    })
    .await?;
    // A restore that was cut off is settled before anybody starts a server on what it left.
    ::worker::recover_all(&control_plane.worker_directory()).await;
    let worker = control_plane.start_worker(shutdown.clone());
    let opened = tokio::select! {
        opened = shop::open(place, control_plane.client()) => Some(opened),
        () = shutdown.cancelled() => None,
    };
    let ended = match opened {
        Some(Ok(shop)) => {
            println!("Holdfast's demo is ready at http://{}", control_plane.address());
            shop.describe();
            let trade = tokio::spawn(shop.trade(shutdown.clone()));
            let ended = control_plane.wait_for_end(Some(worker), shutdown).await;
            trade.await.map_err(|error| Failure::other("the demo's trade", error))?;
            ended
        }
        Some(Err(failure)) => {
            shutdown.cancel();
            control_plane.wait_for_end(Some(worker), shutdown).await?;
            Err(failure)
        }
        None => control_plane.wait_for_end(Some(worker), shutdown).await,
    };
    let stopped = engines::service::stop_all_process_services().await;
    control_plane.stop().await;
    ended?;
    stopped.map_err(|error| Failure::other("stopping the demo's servers", error))
}
