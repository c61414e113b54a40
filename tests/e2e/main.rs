//! gw from outside: one binary of tests, each with a gateway of its own.

mod adversity;
mod bodies;
mod check;
mod cli;
mod control;
mod golden;
mod guide;
mod hooks;
mod life;
mod matrix;
mod messages;
mod process;
mod proxying;
mod reload;
mod resolution;
mod routing;
mod services;
mod sessions;
mod streaming;
