//! What is known of a request beyond one chain: who else serves it, and how it came to be here.

use std::sync::Arc;

use gateway_sdk::Request;

/// Who serves a request in place of the API whose chain it is in.
#[derive(Debug)]
pub(crate) enum Elsewhere {
    /// An API, by its id: all of its chain runs, from the start.
    Api(Arc<str>),
    /// A version of the API itself, which has a chain of its own.
    Version(Chosen),
    /// Where a URL leads that the request was rewritten to.
    Loop(Loop),
    /// The API that the `target_url` of this one names, by its id or its name.
    Target(Arc<str>),
}

/// Where a `tyk://` URL leads, and how often that may go on.
#[derive(Debug)]
pub(crate) struct Loop {
    /// An id or a name; `None` is the API itself.
    pub(crate) name: Option<Arc<str>>,
    /// How often the request may go round; 0: the URL does not say.
    pub(crate) most: u32,
    /// Rates and quotas count once more.
    pub(crate) checks_limits: bool,
}

/// The version that a request has chosen among those within a definition; kept with it, for it may go round.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) api_id: Arc<str>,
    /// Its place among the versions.
    pub(crate) at: usize,
    /// Its name.
    pub(crate) name: Arc<str>,
}

impl Chosen {
    pub(crate) fn of(request: &Request) -> Option<&Self> {
        request.extensions().get()
    }

    pub(crate) fn keep(self, request: &mut Request) {
        request.extensions_mut().insert(self);
    }
}

/// How a request came to the API that it is at; kept with it once it has been at another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Journey {
    /// How many APIs have handed it on.
    pub(crate) apis: u32,
    /// How many of these did because they were told to go to a `tyk://` address: to such requests `internal` paths are
    /// open.
    pub(crate) loops: u32,
    /// How many of these there may be, as the first of them said that said so; 0: none did.
    pub(crate) most: u32,
    /// The last of them led to the API that the request was at already.
    pub(crate) is_self: bool,
    /// The last of them asked for rates and quotas to count once more.
    pub(crate) checks_limits: bool,
}

impl Journey {
    pub(crate) fn of(request: &Request) -> Self {
        request.extensions().get().copied().unwrap_or_default()
    }

    pub(crate) fn keep(self, request: &mut Request) {
        request.extensions_mut().insert(self);
    }
}

/// The path of a request is one on which nobody is asked who they are. Source: gateway.md §5.3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ignored;

impl Ignored {
    pub(crate) fn is_set(request: &Request) -> bool {
        request.extensions().get::<Self>().is_some()
    }

    pub(crate) fn set(request: &mut Request) {
        request.extensions_mut().insert(Self);
    }

    /// What one API ignores is none of another's business.
    pub(crate) fn unset(request: &mut Request) {
        request.extensions_mut().remove::<Self>();
    }
}
