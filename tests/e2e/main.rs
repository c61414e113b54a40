//! gw from outside: one binary of tests, each with a gateway of its own.

mod golden;
