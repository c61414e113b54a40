//! [`Passwords`]: how passwords are hashed and compared without keeping a core from everybody else's requests.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use gateway_model::{BasicAuthData, Session};
use gateway_sdk::exchange::BoxFuture;
use tokio::sync::Semaphore;

use super::Known;
use super::lines::{Busy, Lines};
use crate::session::key::obfuscated;
use crate::session::password::{self, HashError, PasswordHash};
use crate::session::right::RightPasswords;

/// The hash of a password that nobody has, which takes as long as those that are made here.
const NOBODYS: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// Who hashes passwords, and which were right a moment ago.
pub(crate) struct Passwords {
    /// So many are hashed at the same time: whoever sends wrong ones gets no more of the machine.
    room: Arc<Semaphore>,
    /// Who waits for that.
    lines: Arc<Lines>,
    /// Not there before the first that bcrypt is asked for. `None`: the system had no random numbers.
    right: OnceLock<Option<RightPasswords>>,
}

/// Whether a password is the right one.
pub(crate) enum Checked {
    Now(bool),
    Later(BoxFuture<'static, Result<bool, Busy>>),
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_places((cores / 2).max(1))
    }
}

impl Passwords {
    fn with_places(places: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(places)), lines: Arc::default(), right: OnceLock::new() }
    }

    /// Whether this is the password of a user; if it is, that may be `kept` for so long.
    pub(crate) fn check(self: &Arc<Self>, user: &Known, given: &str, kept: Option<Duration>) -> Checked {
        let stored = &user.session.basic_auth_data;
        if let Some(is_right) = password::is_right(stored, given) {
            return Checked::Now(is_right);
        }
        if kept.is_some() && self.knows(&stored.password, given) {
            return Checked::Now(true);
        }
        let (this, user, given) = (Arc::clone(self), user.clone(), given.to_owned());
        Checked::Later(Box::pin(async move { this.ask_bcrypt(user, given, kept).await }))
    }

    /// Takes as long as it does for a user whose password has this hash: who is none cannot be told by the time. `name` is
    /// what the user would be known by.
    pub(crate) fn check_nobody(self: &Arc<Self>, name: &str, given: &str, hash: PasswordHash) -> Checked {
        if hash != PasswordHash::Bcrypt {
            return Checked::Now(false);
        }
        let basic_auth_data = BasicAuthData { password: NOBODYS.to_owned(), hash_type: "bcrypt".to_owned() };
        let session = Arc::new(Session { basic_auth_data, ..Session::default() });
        let (this, user, given) = (Arc::clone(self), Known { session, id: name.into() }, given.to_owned());
        Checked::Later(Box::pin(async move { this.ask_bcrypt(user, given, None).await.map(|_| false) }))
    }

    /// A password as a session holds it.
    ///
    /// # Errors
    /// When it cannot be hashed.
    pub(crate) async fn hash(&self, hash: PasswordHash, password: String) -> Result<BasicAuthData, HashError> {
        // Nobody closes it.
        let place = Arc::clone(&self.room).acquire_owned().await;
        let work = move || (hash.hash(&password), place);
        tokio::task::spawn_blocking(work).await.map_err(|_| HashError::Ended)?.0
    }

    async fn ask_bcrypt(&self, user: Known, given: String, kept: Option<Duration>) -> Result<bool, Busy> {
        let turn = self.lines.join(&user.id)?.turn().await;
        // Somebody before may have asked the same.
        if kept.is_some() && self.knows(&user.session.basic_auth_data.password, &given) {
            return Ok(true);
        }
        let place = (Arc::clone(&self.room).acquire_owned().await, turn);
        // The place is free when the work is over, whether or not anybody still waits for it.
        let work = move || {
            let answer = password::is_right_by_bcrypt(&user.session.basic_auth_data.password, &given);
            (answer, user, given, place)
        };
        Ok(match tokio::task::spawn_blocking(work).await {
            Ok((Ok(is_right), user, given, _place)) => {
                if is_right && let (Some(lifetime), Some(right)) = (kept, self.right()) {
                    let pair = right.pair(&user.session.basic_auth_data.password, &given);
                    right.keep(pair, lifetime, Instant::now());
                }
                is_right
            }
            Ok((Err(error), user, ..)) => {
                let (key, hash_type) = (obfuscated(&user.session.key_id), &user.session.basic_auth_data.hash_type);
                tracing::error!(key, hash_type, %error, "a stored password cannot be compared; write it anew");
                false
            }
            Err(error) => {
                tracing::error!(%error, "a password is not compared");
                false
            }
        })
    }

    fn knows(&self, hash: &str, given: &str) -> bool {
        self.right().is_some_and(|right| right.knows(right.pair(hash, given), Instant::now()))
    }

    fn right(&self) -> Option<&RightPasswords> {
        self.right.get_or_init(RightPasswords::new).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use gateway_model::Session;

    use super::*;

    const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

    fn user(password: &str, hash_type: &str) -> Known {
        let basic_auth_data = BasicAuthData { password: password.into(), hash_type: hash_type.into() };
        Known { session: Arc::new(Session { basic_auth_data, ..Session::default() }), id: "user".into() }
    }

    /// Whether it is right, and whether that was known at once.
    async fn check(passwords: &Arc<Passwords>, user: &Known, given: &str, kept: Option<Duration>) -> (bool, bool) {
        match passwords.check(user, given, kept) {
            Checked::Now(is_right) => (is_right, true),
            Checked::Later(answer) => (answer.await.expect("there is room"), false),
        }
    }

    #[tokio::test]
    async fn bcrypt_is_asked_once_for_what_is_right_and_always_for_what_is_wrong() {
        let passwords = Arc::new(Passwords::default());
        let user = user("$2a$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96", "bcrypt");
        assert_eq!(check(&passwords, &user, "password", MINUTE).await, (true, false));
        assert_eq!(check(&passwords, &user, "password", MINUTE).await, (true, true));
        for _ in 0..2 {
            assert_eq!(check(&passwords, &user, "Password", MINUTE).await, (false, false));
        }
        assert_eq!(
            check(&passwords, &user, "password", None).await,
            (true, false),
            "who keeps nothing, trusts nothing"
        );
        assert_eq!(passwords.room.available_permits(), Passwords::default().room.available_permits());
    }

    #[tokio::test]
    async fn who_guesses_keeps_nobody_else_waiting() {
        let passwords = Arc::new(Passwords::with_places(1));
        let hash = "$2a$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96";
        let named = |id: &str| Known { id: id.into(), ..user(hash, "bcrypt") };
        let answers = Arc::new(std::sync::Mutex::new(Vec::new()));
        let held = Arc::clone(&passwords.room).acquire_owned().await;
        let waiting: Vec<_> = std::iter::repeat_n(("ada", "wrong"), 16)
            .chain([("bob", "password")])
            .map(|(name, given)| {
                let Checked::Later(answer) = passwords.check(&named(name), given, MINUTE) else {
                    panic!("bcrypt is not asked")
                };
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    let answer = answer.await;
                    answers.lock().expect("no panic").push((name, answer));
                })
            })
            .collect();
        // On this one thread all of them have taken their places then.
        tokio::task::yield_now().await;
        drop(held);
        for waiting in waiting {
            waiting.await.expect("no panic");
        }
        let answers = answers.lock().expect("no panic");
        let place = answers.iter().position(|answer| *answer == ("bob", Ok(true)));
        assert_eq!((place, answers.len()), (Some(1), 17), "{answers:?}");
    }

    #[tokio::test]
    async fn the_time_does_not_tell_who_is_nobody() {
        let passwords = Arc::new(Passwords::with_places(1));
        let Checked::Later(answer) = passwords.check_nobody("eve", "password", PasswordHash::Bcrypt) else {
            panic!("bcrypt is not asked")
        };
        assert_eq!(answer.await, Ok(false));
        assert!(password::is_right_by_bcrypt(NOBODYS, "x").is_ok_and(|is_right| !is_right));
        let made = PasswordHash::Bcrypt.hash("x").expect("it is hashed").password;
        assert_eq!(NOBODYS[..7], made[..7], "as long as for somebody");
        let fast = PasswordHash::named("sha256").expect("a known name");
        assert!(matches!(passwords.check_nobody("eve", "password", fast), Checked::Now(false)));
    }

    #[tokio::test]
    async fn what_is_not_kept_is_not_known() {
        let passwords = Arc::new(Passwords::default());
        let user = user("$2a$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96", "bcrypt");
        assert_eq!(check(&passwords, &user, "password", None).await, (true, false));
        assert_eq!(check(&passwords, &user, "password", MINUTE).await, (true, false));
    }

    #[tokio::test]
    async fn a_password_that_was_hashed_is_right() {
        let passwords = Arc::new(Passwords::default());
        for hash in ["bcrypt", "sha256"].map(|name| PasswordHash::named(name).expect("a known name")) {
            let hashed = passwords.hash(hash, "secret".into()).await.expect("it is hashed");
            let user = user(&hashed.password, &hashed.hash_type);
            assert!(check(&passwords, &user, "secret", MINUTE).await.0);
            assert!(!check(&passwords, &user, "Secret", MINUTE).await.0);
        }
    }

    #[tokio::test]
    async fn a_hash_that_is_none_is_nobodys() {
        let passwords = Arc::new(Passwords::default());
        for hash_type in ["bcrypt", "argon2"] {
            assert_eq!(check(&passwords, &user("password", hash_type), "password", MINUTE).await, (false, false));
        }
        assert_eq!(check(&passwords, &user("", "bcrypt"), "", MINUTE).await, (false, true));
    }
}
