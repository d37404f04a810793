//! What deciding costs: counted here, where the whole process has one allocator of ours.

mod allocations;
mod deciding;
