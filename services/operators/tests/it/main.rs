//! Operators on a real database; the services they look at are stand-ins.

mod audit;
mod customers;
mod jobs;
mod logins;
mod secrets;
mod world;
