//! A service of this SDK beside a core that the tests play: both over real HTTP/2.

mod calls;
mod consumers;
mod core;
mod front_page;
mod kept;
mod life;
#[cfg(feature = "proto")]
mod proto;
mod running;
mod streams;
