//! [`Caller`]: who is calling. A session that many requests share is copied only for the one that changes it.

use std::sync::Arc;

use gateway_model::Session;

/// The session of one request, once a plugin or a built-in step has said who is calling. Where nobody is, it is nothing.
#[derive(Debug, Clone, Default)]
pub struct Caller(Option<Box<Who>>);

#[derive(Debug, Clone, Default)]
struct Who {
    session: Option<Arc<Session>>,
    /// By what its limits count, and under what it is stored.
    id: Option<Arc<str>>,
    is_stored: bool,
    is_raw: bool,
    counted: Counted,
}

/// What was counted for a request.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// What it has left of its quota.
    pub quota: Option<QuotaNow>,
    /// What it has left of its rate.
    pub rate: Option<RateNow>,
}

/// What a request has left of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaNow {
    /// Requests left in this window.
    pub remaining: i64,
    /// When it renews, in seconds since 1970.
    pub renews: i64,
    /// The API whose own quota it is; `None` is that of the session as a whole.
    pub api_id: Option<Arc<str>>,
}

/// What a request has left of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateNow {
    /// Requests per window.
    pub limit: i64,
    /// Requests left in this window.
    pub remaining: i64,
    /// When the window is over, in seconds since 1970.
    pub resets: i64,
}

impl Caller {
    /// Whether nobody has said who is calling.
    #[must_use]
    #[inline]
    pub fn is_none(&self) -> bool {
        self.session().is_none()
    }

    /// The session as it was set, without what was counted since.
    #[must_use]
    #[inline]
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.0.as_ref()?.session.as_ref()
    }

    /// By what its limits count, and under what it is stored; `None` if nobody has said so yet.
    #[must_use]
    #[inline]
    pub fn id(&self) -> Option<&Arc<str>> {
        self.0.as_ref()?.id.as_ref()
    }

    /// Whether the session is in the gateway's store.
    #[must_use]
    #[inline]
    pub fn is_stored(&self) -> bool {
        self.0.as_ref().is_some_and(|who| who.is_stored)
    }

    /// Whether a plugin made or changed the session since it was [`set`](Self::set).
    #[must_use]
    #[inline]
    pub fn is_raw(&self) -> bool {
        self.0.as_ref().is_some_and(|who| who.is_raw)
    }

    /// What was counted for this request.
    #[must_use]
    #[inline]
    pub fn counted(&self) -> Option<&Counted> {
        self.0.as_ref().map(|who| &who.counted)
    }

    /// The same, to count more.
    #[must_use]
    #[inline]
    pub fn counted_mut(&mut self) -> &mut Counted {
        &mut self.0.get_or_insert_default().counted
    }

    /// From here on, this session is calling. Nothing was counted for it.
    #[inline]
    pub fn set(&mut self, session: Arc<Session>, id: Arc<str>, is_stored: bool) {
        let who = Who { session: Some(session), id: Some(id), is_stored, ..Who::default() };
        self.0 = Some(Box::new(who));
    }

    /// The session as it is now.
    #[must_use]
    pub fn get(&mut self) -> Option<&Session> {
        let who = self.0.as_mut()?;
        who.settle();
        who.session.as_deref()
    }

    /// The session, to change it for this request.
    #[must_use]
    pub fn get_mut(&mut self) -> Option<&mut Session> {
        let who = self.0.as_mut()?;
        who.settle();
        who.is_raw = who.session.is_some();
        who.session.as_mut().map(Arc::make_mut)
    }

    /// The session itself; it is copied if somebody else has it too.
    #[must_use]
    pub fn into_session(self) -> Option<Session> {
        let mut who = self.0?;
        who.settle();
        who.session.map(Arc::unwrap_or_clone)
    }
}

impl Who {
    /// Writes what was counted into the session, for those who look there.
    fn settle(&mut self) {
        let (Some(session), Some(quota)) = (&mut self.session, &self.counted.quota) else { return };
        let QuotaNow { remaining, renews, api_id } = quota;
        match api_id {
            None if (session.quota_remaining, session.quota_renews) == (*remaining, *renews) => {}
            None => {
                let session = Arc::make_mut(session);
                (session.quota_remaining, session.quota_renews) = (*remaining, *renews);
            }
            Some(api_id) => {
                let is_other = session.access_rights.get(&**api_id).is_some_and(|access| {
                    (access.limit.quota_remaining, access.limit.quota_renews) != (*remaining, *renews)
                });
                if is_other && let Some(access) = Arc::make_mut(session).access_rights.get_mut(&**api_id) {
                    (access.limit.quota_remaining, access.limit.quota_renews) = (*remaining, *renews);
                }
            }
        }
    }
}

impl From<Session> for Caller {
    fn from(session: Session) -> Self {
        Self(Some(Box::new(Who { session: Some(Arc::new(session)), is_raw: true, ..Who::default() })))
    }
}

#[cfg(test)]
mod tests {
    use gateway_model::AccessDefinition;

    use super::*;

    #[test]
    fn a_shared_session_is_copied_only_for_who_changes_it() {
        let shared = Arc::new(Session::new().with_alias("ada"));
        let mut caller = Caller::default();
        assert!(caller.is_none() && caller.get().is_none() && caller.get_mut().is_none() && !caller.is_raw());
        caller.set(Arc::clone(&shared), "id".into(), true);
        assert_eq!(caller.get().map(|session| &*session.alias), Some("ada"));
        assert!(caller.session().is_some_and(|session| Arc::ptr_eq(session, &shared)) && !caller.is_raw());
        caller.get_mut().expect("it is set").alias.push('!');
        assert_eq!((&*shared.alias, &*caller.get().expect("it is set").alias), ("ada", "ada!"));
        assert_eq!(caller.id().map(|id| &**id), Some("id"));
        assert!(caller.is_raw() && caller.is_stored() && Caller::from(Session::new()).is_raw());
    }

    #[test]
    fn what_was_counted_is_seen_by_who_looks_and_by_nobody_else() {
        let rights = [("api".to_owned(), AccessDefinition::default())].into();
        let shared = Arc::new(Session { quota_max: 5, access_rights: rights, ..Session::default() });
        let mut caller = Caller::default();
        caller.set(Arc::clone(&shared), "id".into(), true);
        caller.counted_mut().quota = Some(QuotaNow { remaining: 3, renews: 9, api_id: None });
        assert!(caller.session().is_some_and(|session| Arc::ptr_eq(session, &shared)), "nobody has looked");
        let seen = caller.get().expect("it is set");
        assert_eq!((seen.quota_remaining, seen.quota_renews), (3, 9));
        caller.counted_mut().quota = Some(QuotaNow { remaining: 2, renews: 8, api_id: Some("api".into()) });
        let seen = caller.into_session().expect("it is set");
        assert_eq!((seen.quota_remaining, seen.access_rights["api"].limit.quota_remaining), (3, 2));
        assert_eq!((shared.quota_remaining, shared.access_rights["api"].limit.quota_remaining), (0, 0));
    }
}
