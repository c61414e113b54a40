//! Plugins that show what plugins see, and do what plugins may. Those with a configuration read it from
//! `config_data.<name>`.
//!
//! | module | plugins |
//! |---|---|
//! | `order` | `OrderA`, `OrderB`, `OrderC`; `ResponseA`, `ResponseB`: leave a trace of when they ran |
//! | `answer` | `Answer`, `SetResponseHeader`: end a request, or add to whatever ends it |
//! | `sessions` | `SetSession`, `RenameSession`, `ShowSession` |
//! | `bodies` | `ReadBody`, `StartReadingBody`, `ReplaceBody`, `ReplaceResponse`, `ReadResponse`, `NeedResponse` |
//! | `requests` | `Rewrite`: method, URI, headers, upstream |
//! | `services` | `Fetch`, `Count`, `LogHeader`: what the gateway does for plugins |
//! | `life` | `Life`: init, state, shutdown; `Strict`: a configuration that may be wrong |

#![forbid(unsafe_code)]

mod answer;
mod bodies;
mod life;
mod order;
mod requests;
mod services;
mod sessions;
