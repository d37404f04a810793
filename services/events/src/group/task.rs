//! The one task that hands a group's events out: in order, each until it is done or given up, and written down
//! before the next.

use std::{collections::VecDeque, time::Duration};

use micro_proto::events::Event;
use micro_storage::{StoreError, records::Write};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{Ack, Ask, GroupKey, Manner, Roster, Said};
use crate::{
    POLL,
    place::Place,
    store::{Ahead, Standing, Stored},
};

/// How long until storage that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Where the group stands is written down when nothing has happened for so long, or after so many events: for those
/// that need no acknowledgement.
const QUIET: Duration = Duration::from_millis(50);
const UNWRITTEN: u64 = 1_000;

/// What a group's task begins with.
pub struct Began {
    pub stored: Stored,
    pub place: Place,
    pub head: watch::Receiver<()>,
    /// One consumer's own: where it stands is kept in memory only, from here on.
    pub passing: Option<u64>,
}

/// A group at work.
pub struct Group {
    stored: Stored,
    place: Place,
    name: String,
    /// Whether it is written down.
    kept: bool,
    head: watch::Receiver<()>,
    key: GroupKey,
    roster: Roster,
    said: mpsc::UnboundedReceiver<Said>,
    acks: mpsc::Receiver<Ack>,
    asks: VecDeque<Ask>,
    standing: Standing,
    version: Option<u64>,
    /// Events done that are not written down.
    unwritten: u64,
    /// Read, and not handed out.
    ahead: Ahead,
    /// There may be events to be given again.
    again: bool,
}

/// Why work stopped.
enum Stop {
    /// Nobody is left.
    Over,
    /// Somebody else changed where the group stands, or serves it.
    Lost,
    /// Storage failed.
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// An event that is to be handed out.
enum Item {
    /// The topic's next.
    Next(Event),
    /// A dead letter that is replayed, by its number.
    Again(u64, Event),
}

impl Item {
    fn event(&self) -> &Event {
        match self {
            Self::Next(event) | Self::Again(_, event) => event,
        }
    }
}

impl Group {
    pub(super) fn new(
        began: Began,
        key: GroupKey,
        roster: Roster,
        said: mpsc::UnboundedReceiver<Said>,
        acks: mpsc::Receiver<Ack>,
    ) -> Self {
        let next = began.passing.unwrap_or_default();
        Self {
            stored: began.stored,
            place: began.place,
            name: key.1.clone(),
            kept: began.passing.is_none(),
            head: began.head,
            key,
            roster,
            said,
            acks,
            asks: VecDeque::new(),
            standing: Standing {
                next,
                ..Standing::default()
            },
            version: None,
            unwritten: 0,
            ahead: Ahead::default(),
            again: false,
        }
    }

    /// Works until nobody is left.
    pub async fn run(mut self) {
        loop {
            let stop = match self.work().await {
                Err(stop) => stop,
                Ok(never) => match never {},
            };
            let stop = match stop {
                Stop::Over => match self.let_go().await {
                    Ok(()) if self.roster.close(&self.key) => return,
                    Ok(()) => continue,
                    Err(stop) => stop,
                },
                stop => stop,
            };
            if let Stop::Failed(error) = stop {
                warn(&error);
                sleep(RETRY).await;
            }
        }
    }

    async fn work(&mut self) -> Result<std::convert::Infallible, Stop> {
        self.take_hold().await?;
        loop {
            let item = self.next_item().await?;
            self.hand_out(item).await?;
        }
    }

    /// Reads where the group stands; where there are replicas, becomes the one that serves it.
    async fn take_hold(&mut self) -> Result<(), Stop> {
        self.ahead = Ahead::default();
        while self.kept {
            let stood = self.stored.group(&self.place, &self.name).await?;
            let (standing, version) = match stood {
                Some(stood) => (stood.standing, Some(stood.version)),
                // Deleted while it had members elsewhere: it begins anew, with what comes next.
                None => (
                    Standing {
                        next: self.stored.next_number(&self.place).await?,
                        ..Standing::default()
                    },
                    None,
                ),
            };
            (self.standing, self.version) = (standing, version);
            (self.unwritten, self.again) = (0, true);
            if !self.stored.parts.shared && self.version.is_some() {
                return Ok(());
            }
            self.stored.say_alive().await?;
            let (us, holder) = (self.stored.boot, self.standing.holder);
            if let Some(other) = holder.filter(|holder| *holder != us)
                && self.stored.parts.shared
                && self.stored.lives(other).await?
            {
                self.wait().await?;
                continue;
            }
            self.standing.holder = Some(us);
            match self.write_down(Vec::new()).await {
                Err(Stop::Lost) => {}
                done => return done,
            }
        }
        Ok(())
    }

    /// Nobody is left here: another replica may go on.
    async fn let_go(&mut self) -> Result<(), Stop> {
        let held = self.standing.holder == Some(self.stored.boot);
        if !self.kept || !(held || self.unwritten > 0) {
            return Ok(());
        }
        self.standing.holder = None;
        match self.write_down(Vec::new()).await {
            // Then it is somebody else's already.
            Err(Stop::Lost) => Ok(()),
            done => done,
        }
    }

    /// Writes down where the group stands, and more with it.
    async fn write_down(&mut self, more: Vec<Write>) -> Result<(), Stop> {
        if self.kept {
            let (place, name, standing) = (&self.place, &self.name, &self.standing);
            let written = self.stored.stand(place, name, standing, self.version, more).await?;
            self.version = Some(written.ok_or(Stop::Lost)?);
        }
        self.unwritten = 0;
        Ok(())
    }

    /// What is next, once there is something.
    async fn next_item(&mut self) -> Result<Item, Stop> {
        loop {
            if let Some(item) = self.replayed().await? {
                return Ok(item);
            }
            if let Some(event) = self.ahead.take() {
                return Ok(Item::Next(event));
            }
            self.head.borrow_and_update();
            self.ahead = self.stored.read_ahead(&self.place, self.standing.next).await?;
            if self.ahead.is_empty() {
                self.wait().await?;
            }
        }
    }

    /// The oldest letter that is to be given again.
    async fn replayed(&mut self) -> Result<Option<Item>, Stop> {
        if !self.again || !self.kept {
            return Ok(None);
        }
        let found = self.stored.to_replay(&self.place, &self.name).await?;
        let letter = found.into_iter().next().map(|kept| kept.letter);
        let item = letter.and_then(|letter| Some(Item::Again(letter.number, letter.event?)));
        self.again = item.is_some();
        Ok(item)
    }

    /// Waits for something to happen.
    async fn wait(&mut self) -> Result<(), Stop> {
        if self.roster.is_empty(&self.key) {
            return Err(Stop::Over);
        }
        tokio::select! {
            changed = self.head.changed() => drop(changed),
            Some(said) = self.said.recv() => self.heed(said)?,
            Some(late) = self.acks.recv() => drop(late),
            () = sleep(QUIET), if self.unwritten > 0 => self.write_down(Vec::new()).await?,
            () = sleep(POLL), if self.stored.parts.shared => self.look_around().await?,
        }
        Ok(())
    }

    /// Other replicas may have changed where the group stands, or replayed letters.
    async fn look_around(&mut self) -> Result<(), Stop> {
        self.again = true;
        if !self.kept {
            return Ok(());
        }
        let stood = self.stored.group(&self.place, &self.name).await?;
        match stood.map(|stood| stood.version) == self.version {
            true => Ok(()),
            false => Err(Stop::Lost),
        }
    }

    fn heed(&mut self, said: Said) -> Result<(), Stop> {
        match said {
            Said::Ask(ask) => self.asks.push_back(ask),
            Said::Left(member) => self.asks.retain(|ask| ask.member != member),
            Said::LookAgain => self.again = true,
            Said::Reread => return Err(Stop::Lost),
        }
        Ok(())
    }

    /// The member whose turn it is, once one can send an event.
    async fn asker(&mut self) -> Result<Ask, Stop> {
        loop {
            while let Some(ask) = self.asks.pop_front() {
                if !ask.reply.is_closed() {
                    return Ok(ask);
                }
            }
            if self.roster.is_empty(&self.key) {
                return Err(Stop::Over);
            }
            tokio::select! {
                Some(said) = self.said.recv() => self.heed(said)?,
                Some(late) = self.acks.recv() => drop(late),
                () = sleep(QUIET), if self.unwritten > 0 => self.write_down(Vec::new()).await?,
            }
        }
    }

    /// Hands an event out until it is done, or given up.
    async fn hand_out(&mut self, item: Item) -> Result<(), Stop> {
        let mut attempts = match &item {
            Item::Next(_) => self.standing.attempts,
            Item::Again(..) => 0,
        };
        loop {
            let ask = self.asker().await?;
            let (member, manner) = (ask.member, ask.manner);
            if !ask.answer(item.event().clone()).await {
                continue;
            }
            let last = manner.retry_limit.is_some_and(|limit| attempts >= limit);
            if manner.auto_ack || self.is_acknowledged(&item.event().id, member, manner, last).await? {
                return self.done(&item, manner.auto_ack).await;
            }
            attempts += 1;
            if last {
                return self.give_up(&item, attempts).await;
            }
            if let Item::Next(_) = item {
                self.standing.attempts = attempts;
                self.write_down(Vec::new()).await?;
            }
        }
    }

    /// Whether the event is acknowledged in time. One that is refused comes again no sooner, unless this was the
    /// last time; one whose member is gone, at once.
    async fn is_acknowledged(&mut self, id: &str, holder: u64, manner: Manner, last: bool) -> Result<bool, Stop> {
        let until = Instant::now() + manner.ack_wait;
        loop {
            tokio::select! {
                biased;
                Some(ack) = self.acks.recv() => match ack {
                    Ack { success: true, .. } if ack.id == id => return Ok(true),
                    Ack { success: false, member, .. } if ack.id == id && member == holder && last => return Ok(false),
                    _of_another_event => {}
                },
                Some(said) = self.said.recv() => match said {
                    Said::Left(member) if member == holder => return Ok(false),
                    said => self.heed(said)?,
                },
                () = sleep_until(until) => return Ok(false),
            }
        }
    }

    /// The group goes on.
    async fn done(&mut self, item: &Item, later: bool) -> Result<(), Stop> {
        match item {
            Item::Next(event) => {
                self.advance(event);
                self.unwritten += 1;
                match later && self.unwritten < UNWRITTEN {
                    true => Ok(()),
                    false => self.write_down(Vec::new()).await,
                }
            }
            Item::Again(number, _) => {
                let ended = self.stored.replayed(&self.place, &self.name, *number);
                self.write_down(vec![ended]).await
            }
        }
    }

    /// The group goes on without this event: it is a dead letter.
    async fn give_up(&mut self, item: &Item, attempts: u64) -> Result<(), Stop> {
        let number = self.standing.letters;
        let mut writes = self
            .stored
            .bury(&self.place, &self.name, number, item.event(), attempts);
        match item {
            Item::Next(event) => self.advance(event),
            Item::Again(number, _) => writes.push(self.stored.replayed(&self.place, &self.name, *number)),
        }
        self.standing.letters += 1;
        self.write_down(writes).await
    }

    fn advance(&mut self, event: &Event) {
        self.standing.next = event.number + 1;
        self.standing.attempts = 0;
    }
}

fn warn(error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "a group's storage failed, and is tried again");
}
