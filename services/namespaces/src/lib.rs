//! Namespaces and who owns them: three words reserved, walls raised, an address recorded; each of it undone
//! where a sign-up is. Internal: every method refuses all but the platform's own tasks.

mod error;
mod identities;
mod names;
mod namespaces;
mod page;
mod state;
mod store;
mod walls;

pub use error::NamespacesError;
pub use identities::IdentitiesService;
pub use names::RESERVED;
pub use namespaces::NamespacesService;
pub use state::State;
pub use walls::Wall;
