//! gw from outside: one binary of tests, each with a gateway of its own.

mod adversity;
mod bodies;
mod builder;
mod check;
mod cli;
mod control;
mod domains;
mod drain;
mod golden;
mod guide;
mod handover;
mod health;
mod hooks;
mod http2;
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
mod tls;
