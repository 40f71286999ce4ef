//! How far a backup or restore is, asked in a second session while the first one does it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::LogLevel;
use domain::assignment::DatastoreAccess;
use tokio_util::sync::CancellationToken;

use super::client::Session;
use super::refusal::Refusal;
use super::row::Row;
use crate::LogSink;

/// How often it is asked; what takes less is never asked about.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a statement may stand still. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// The steps that the log tells.
const STEP_PERCENT: i128 = 10;

/// Who asks, and whom it tells.
#[derive(Clone)]
pub(super) struct Watch {
    pub datastore: DatastoreAccess,
    pub log: LogSink,
    pub cancel: CancellationToken,
}

impl Watch {
    /// Does a long statement; `what` is what the log calls it.
    ///
    /// # Errors
    /// Of the statement; [`Refusal::Silent`] when the server says that it stands still.
    pub(super) async fn long(&self, session: &mut Session, what: &str, sql: &str) -> Result<Vec<Row>, Refusal> {
        let number = session.number().await;
        let mut statement = std::pin::pin!(session.long(sql));
        let mut asking = number.map(|number| Asking { number, session: None, told: 0, moved: Instant::now() });
        loop {
            tokio::select! {
                answer = &mut statement => return answer,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let Some(watch) = &mut asking else { continue };
            match watch.percent(self).await {
                Some(percent) if percent >= watch.told + STEP_PERCENT => {
                    watch.told = percent - percent % STEP_PERCENT;
                    watch.moved = Instant::now();
                    (self.log)(LogLevel::Info, &format!("{what}: {} %", watch.told));
                }
                Some(_) if watch.moved.elapsed() > STALL_LIMIT => return Err(Refusal::Silent(STALL_LIMIT.as_secs())),
                Some(_) => {}
                // Without the permission to look, it is waited for.
                None => asking = None,
            }
        }
    }

    /// A sink of the same log.
    pub(super) fn log(&self) -> LogSink {
        Arc::clone(&self.log)
    }
}

struct Asking {
    number: i128,
    session: Option<Session>,
    told: i128,
    moved: Instant,
}

impl Asking {
    async fn percent(&mut self, watch: &Watch) -> Option<i128> {
        if self.session.is_none() {
            self.session = Some(Session::open(&watch.datastore, &watch.cancel).await.ok()?);
        }
        let sql = format!(
            "SELECT CONVERT(int, percent_complete) AS percent_complete FROM sys.dm_exec_requests WHERE session_id = {}",
            self.number
        );
        let rows = self.session.as_mut()?.ask(&sql).await.ok()?;
        Some(rows.first().and_then(|row| row.number("percent_complete")).unwrap_or(0))
    }
}
