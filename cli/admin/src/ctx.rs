//! What every command is handed: where to print, and the way to the operators' door.

use micro_client::{Client, Endpoint};
use micro_clock::{Clock, SystemClock};
use micro_error::{Error, Kind};
use micro_tenancy::{Caller, Metadata};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    exit::{Exit, Failure, Result},
    login::{Login, Logins},
    out::Out,
    table::{self, Fill},
};

/// Handed to every command.
pub struct Ctx {
    /// Where to print.
    pub out: Out,
    /// The operators' door.
    pub address: String,
}

/// A connection to the door, and who calls over it.
pub struct Door {
    /// Makes the calls.
    pub client: Client,
    /// Who makes them.
    pub caller: Caller,
}

impl Ctx {
    /// The way in as nobody.
    pub async fn open(&self) -> Result<Door> {
        let endpoint = Endpoint::parse(&self.address).map_err(|e| Failure::plain(e.to_string()))?;
        let client = Client::connect(endpoint).await.map_err(|_| {
            Failure::new(
                Exit::NotReached,
                format!("Failed to connect to the operators' door at {}", self.address),
            )
        })?;
        Ok(Door {
            client,
            caller: Caller::anonymous(),
        })
    }

    /// The way in as whoever logged in. Nobody is told so without asking the server.
    pub async fn enter(&self) -> Result<Door> {
        let login = Logins::of_user()?
            .find(&self.address)?
            .filter(|l| l.expires_at > SystemClock.now().unix_timestamp());
        let Some(Login { token, .. }) = login else {
            return Err(self.login_required());
        };
        let door = self.open().await?;
        Ok(Door {
            caller: Caller::outgoing(Some(token.into()), Metadata::new()),
            ..door
        })
    }

    /// What to tell about an error of the server.
    pub fn explain(&self, error: &Error) -> Failure {
        match error.kind() {
            Kind::Unauthenticated => self.login_required(),
            _ => Failure::of(error),
        }
    }

    fn login_required(&self) -> Failure {
        Failure::new(
            Exit::NotAuthorized,
            format!("Not logged in at {}. Please run `micro-admin login`.", self.address),
        )
    }

    /// Rows under a header; as JSON the objects themselves.
    pub fn table(&self, header: &[&str], rows: Vec<Vec<String>>, objects: &Value) -> Result<()> {
        if self.out.json() {
            return self.out.value(objects);
        }
        let header = header.iter().map(|h| (*h).to_owned()).collect();
        let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
        self.out.raw(&table::render(&rows, Fill::Spaces(3)));
        Ok(())
    }

    /// Tells how to see the rest of a listing.
    pub fn more(&self, cursor: &str) {
        if !cursor.is_empty() {
            self.out.talk(format!("There are more: --cursor {cursor}"));
        }
    }
}

/// Unix seconds as people read them.
pub fn when(unix: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(unix).ok().filter(|_| unix != 0);
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "-".into())
}

/// A dash where there is nothing.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.to_owned() }
}
