//! Where letters go when there is no mail server: kept in memory, shown on the mailbox page.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use micro_clock::Clock;
use micro_domain::Email;
use time::OffsetDateTime;

use crate::{Letter, MailError, Mailer};

const KEPT: usize = 200;

/// A letter and when it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counts up from 1.
    pub number: u64,
    /// When it came.
    pub at: OffsetDateTime,
    /// What came.
    pub letter: Letter,
}

/// The last 200 letters. Clones share them.
#[derive(Clone)]
pub struct Mailbox {
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    last: u64,
    letters: VecDeque<Arc<Received>>,
}

impl Mailbox {
    /// An empty mailbox.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Arc::default(),
        }
    }

    /// All letters, the newest first.
    pub fn letters(&self) -> Vec<Arc<Received>> {
        self.read(|kept| kept.letters.iter().rev().cloned().collect())
    }

    /// One letter by its number, while it is kept.
    pub fn find_letter(&self, number: u64) -> Option<Arc<Received>> {
        self.read(|kept| kept.letters.iter().find(|r| r.number == number).cloned())
    }

    /// The newest letter to an address.
    pub fn last_to(&self, to: &Email) -> Option<Letter> {
        self.read(|kept| {
            kept.letters
                .iter()
                .rev()
                .find(|r| r.letter.to() == to)
                .map(|r| r.letter.clone())
        })
    }

    fn read<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept.lock().expect("no panic while holding the letters"))
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let at = self.clock.now();
        self.read(|kept| {
            kept.last += 1;
            kept.letters.push_back(Arc::new(Received {
                number: kept.last,
                at,
                letter: letter.clone(),
            }));
            if kept.letters.len() > KEPT {
                kept.letters.pop_front();
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use micro_clock::TestClock;

    use super::*;

    fn letter(to: &str, subject: &str) -> Letter {
        Letter::new(Email::parse(to).expect("valid"), subject, String::new(), String::new()).expect("valid")
    }

    #[tokio::test]
    async fn the_newest_200_are_kept_and_found() {
        let mailbox = Mailbox::new(Arc::new(TestClock::default()));
        for n in 1..=201 {
            mailbox
                .send(&letter("ada@example.com", &format!("letter {n}")))
                .await
                .expect("taken");
        }
        mailbox.send(&letter("bob@example.com", "his")).await.expect("taken");
        let kept = mailbox.letters();
        assert_eq!((kept.len(), kept[0].number, kept[199].number), (200, 202, 3));
        let ada = Email::parse("ada@example.com").expect("valid");
        assert_eq!(mailbox.last_to(&ada).expect("hers").subject(), "letter 201");
        assert!(mailbox.find_letter(2).is_none() && mailbox.find_letter(3).is_some());
    }
}
