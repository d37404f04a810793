//! Webhook events, by their id.

use micro_payments::Event;
use micro_storage::SystemTx;
use time::OffsetDateTime;

use crate::app::Result;

/// Where an event says to look.
pub(crate) struct Pointer {
    pub(crate) object: String,
    pub(crate) object_id: String,
}

pub(crate) struct Events<'t>(pub(crate) &'t mut SystemTx);

impl Events<'_> {
    /// Keeps an event, unless it is kept already.
    pub(crate) async fn add(&mut self, event: &Event, now: OffsetDateTime) -> Result<bool> {
        let done = sqlx::query(
            "insert into webhook_events (event_id, kind, object, object_id, happened_at, received_at)
             values ($1, $2, $3, $4, $5, $6) on conflict (event_id) do nothing",
        )
        .bind(&event.id)
        .bind(&event.kind)
        .bind(&event.object)
        .bind(&event.object_id)
        .bind(event.created_at)
        .bind(now)
        .execute(self.0.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn find(&mut self, id: &str) -> Result<Option<Pointer>> {
        let found: Option<(String, String)> =
            sqlx::query_as("select object, object_id from webhook_events where event_id = $1")
                .bind(id)
                .fetch_optional(self.0.conn())
                .await?;
        Ok(found.map(|(object, object_id)| Pointer { object, object_id }))
    }

    pub(crate) async fn acted(&mut self, id: &str, now: OffsetDateTime) -> Result<()> {
        sqlx::query("update webhook_events set acted_at = $2 where event_id = $1")
            .bind(id)
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(())
    }
}
