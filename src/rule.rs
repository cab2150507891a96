//! The rules of the threat model (`docs/threat-model.md`), by name. Each is decided in one place, and asks there whether it
//! holds.
//!
//! It does: of that question nothing is left in a proxy, neither a branch nor a name. Only with the feature
//! `switchable-rules` may the environment switch one off, so that `scripts/mutation` can see its test fail.

macro_rules! rules {
    ($($rule:ident = $name:literal,)+) => {
        /// A rule.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rule {
            $($rule,)+
        }

        #[cfg(feature = "switchable-rules")]
        impl Rule {
            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Rule::$rule),)+
                    _ => None,
                }
            }
        }
    };
}

rules! {
    // Claiming to be somebody.
    IdentityNamesAreStripped = "identity-names-are-stripped",
    CertificateNamesAreStripped = "certificate-names-are-stripped",
    NamesAreComparedFolded = "names-are-compared-folded",
    UnderscoreNamesNeverPass = "underscore-names-never-pass",
    TrailersClaimNoIdentity = "trailers-claim-no-identity",
    OneIdentityGoesUpstream = "one-identity-goes-upstream",
    StrippedCredentialsStayHere = "stripped-credentials-stay-here",
    ChosenNamesAreEncoded = "chosen-names-are-encoded",
    OwnCookiesStayHere = "own-cookies-stay-here",
    OddSpellingsOfOwnCookiesStayHere = "odd-spellings-of-own-cookies-stay-here",
    OwnCookiesAreSetHere = "own-cookies-are-set-here",
    OwnCookiesAreHttpOnly = "own-cookies-are-http-only",
    CookiesBearTheirPrefix = "cookies-bear-their-prefix",
    CookiesCannotBreakOut = "cookies-cannot-break-out",
    ClaimedTokensAreVerified = "claimed-tokens-are-verified",
    TokensAreReadLeniently = "tokens-are-read-leniently",
    IssuersAreComparedLoosely = "issuers-are-compared-loosely",
    ApiTokensStayHere = "api-tokens-stay-here",
    ApiTokensAreForUsAlone = "api-tokens-are-for-us-alone",
    ApiTokensNameTheirIssuer = "api-tokens-name-their-issuer",
    ApiTokensAreOfOneType = "api-tokens-are-of-one-type",
    ApiTokensExpire = "api-tokens-expire",
    SealedTextIsForOnePurpose = "sealed-text-is-for-one-purpose",
    CookiesAreForOneSite = "cookies-are-for-one-site",
    ProofsAreForOneBearerAndSite = "proofs-are-for-one-bearer-and-site",
    TwoUsersCookiesAreNobodys = "two-users-cookies-are-nobodys",
    ManyCookiesAreNobodys = "many-cookies-are-nobodys",
    UnusedSessionsEnd = "unused-sessions-end",
    SessionsHaveALifetime = "sessions-have-a-lifetime",
    SessionsDatedAheadProveNothing = "sessions-dated-ahead-prove-nothing",
    RevokedSessionsAreOver = "revoked-sessions-are-over",
    TunnelsEndWithTheirSession = "tunnels-end-with-their-session",
    BlockedUsersDoNotLogIn = "blocked-users-do-not-log-in",
    BlockedUsersSessionsEnd = "blocked-users-sessions-end",
    ALoginEndsTheSessionItReplaces = "a-login-ends-the-session-it-replaces",
    ResumedHandshakesAreVerifiedAnew = "resumed-handshakes-are-verified-anew",
    AuthoritiesAloneVouch = "authorities-alone-vouch",
    TheNewestListIsAsked = "the-newest-list-is-asked",
    // Going round the gate.
    RequiredNeedsASession = "required-needs-a-session",
    RequiredCredentialsAreThere = "required-credentials-are-there",
    ListedPagesAloneRead = "listed-pages-alone-read",
    ListedCallersAsk = "listed-callers-ask",
    ARefusalIsNoYes = "a-refusal-is-no-yes",
    NoDisguiseIsVouchedFor = "no-disguise-is-vouched-for",
    AQuestionNamesOneRequest = "a-question-names-one-request",
    PublicRoutesSeeNobody = "public-routes-see-nobody",
    AnotherReadingBringsNoIdentity = "another-reading-brings-no-identity",
    OnlyPagesAreSentToLogIn = "only-pages-are-sent-to-log-in",
    TheStrictestReadingGuards = "the-strictest-reading-guards",
    NoClientTakesARoutesFieldsOut = "no-client-takes-a-routes-fields-out",
    AnUncertainPathIsNotRewritten = "an-uncertain-path-is-not-rewritten",
    ARewriteGoesRoundNoGuard = "a-rewrite-goes-round-no-guard",
    EncodedSlashesAreReadBothWays = "encoded-slashes-are-read-both-ways",
    PathParametersAreCut = "path-parameters-are-cut",
    ReadingsAreBounded = "readings-are-bounded",
    ALastSlashGoesRoundNoRoute = "a-last-slash-goes-round-no-route",
    CaseIsFoldedWhereBackendsDo = "case-is-folded-where-backends-do",
    ContractPathsHaveOneSpelling = "contract-paths-have-one-spelling",
    OverridesAreStripped = "overrides-are-stripped",
    ForwardingNamesAreReplaced = "forwarding-names-are-replaced",
    StrangersSayNothingOfTheirAddress = "strangers-say-nothing-of-their-address",
    TheWalkEndsAtTheFirstStranger = "the-walk-ends-at-the-first-stranger",
    BalancersAloneIntroduceClients = "balancers-alone-introduce-clients",
    MethodsHaveACase = "methods-have-a-case",
    ConnectAndTraceStayHere = "connect-and-trace-stay-here",
    AHeadIsGuardedLikeItsGet = "a-head-is-guarded-like-its-get",
    OwnEndpointsTakeTheirMethodsAlone = "own-endpoints-take-their-methods-alone",
    UnknownHostsAreRefused = "unknown-hosts-are-refused",
    ASitesPolicyIsItsHandshakes = "a-sites-policy-is-its-handshakes",
    ARequestNamesOneHost = "a-request-names-one-host",
    TargetAndHostAgree = "target-and-host-agree",
    AnUnlistedHostBecomesTheSites = "an-unlisted-host-becomes-the-sites",
    TargetsHaveTheirMethodsForm = "targets-have-their-methods-form",
    TargetsHaveALength = "targets-have-a-length",
    PreflightsBringNothing = "preflights-bring-nothing",
    PreflightsCarryNoCookie = "preflights-carry-no-cookie",
    OneFramingGoesOn = "one-framing-goes-on",
    ChunksCountAndNoLengthBesideThem = "chunks-count-and-no-length-beside-them",
    TrailersEndOneWay = "trailers-end-one-way",
    AnswersEndByTheirChunks = "answers-end-by-their-chunks",
    AnAnswersLengthIsOneNumber = "an-answers-length-is-one-number",
    AnUpstreamProvesWhoItIs = "an-upstream-proves-who-it-is",
    ConnectionListsNeitherHostNorLength = "connection-lists-neither-host-nor-length",
    ListedUpgradesAlone = "listed-upgrades-alone",
    OnlyASwitchOpensAWebSocket = "only-a-switch-opens-a-web-socket",
    ARefusedConnectEndsNothingElse = "a-refused-connect-ends-nothing-else",
    NoUpgradeBesideABody = "no-upgrade-beside-a-body",
    NobodySwitchesUnasked = "nobody-switches-unasked",
    AKeptConnectionHasSaidAll = "a-kept-connection-has-said-all",
    NothingIsDoneTwice = "nothing-is-done-twice",
    // Acting through a visitor's browser.
    ACookieIsNoConsent = "a-cookie-is-no-consent",
    SiblingsAreForeign = "siblings-are-foreign",
    NoOriginIsForeign = "no-origin-is-foreign",
    ALogoutIsAPost = "a-logout-is-a-post",
    NoOtherSiteLogsOut = "no-other-site-logs-out",
    EmbeddedLoadsEndNothing = "embedded-loads-end-nothing",
    PrefetchesBeginAndEndNothing = "prefetches-begin-and-end-nothing",
    AnswersWithIdentityArePrivate = "answers-with-identity-are-private",
    OptionalAnswersVary = "optional-answers-vary",
    NoFieldForOneCacheSaysOtherwise = "no-field-for-one-cache-says-otherwise",
    NoCookieOnAnswersThatMayBeKept = "no-cookie-on-answers-that-may-be-kept",
    OwnAnswersAreNotStored = "own-answers-are-not-stored",
    OwnAddressesAreToldToNobody = "own-addresses-are-told-to-nobody",
    PagesHaveAPolicy = "pages-have-a-policy",
    ForeignTextHidesNothing = "foreign-text-hides-nothing",
    LinksStayOnTheSite = "links-stay-on-the-site",
    NextStaysOnListedHosts = "next-stays-on-listed-hosts",
    NoLoginEndsAtOurEndpoints = "no-login-ends-at-our-endpoints",
    NoLoginEndsAtALogout = "no-login-ends-at-a-logout",
    // The login.
    AStateIsItsBrowsersOwn = "a-state-is-its-browsers-own",
    AStateIsAskedForWhereItWasGiven = "a-state-is-asked-for-where-it-was-given",
    AReturnWithoutAStateFitsOneAttempt = "a-return-without-a-state-fits-one-attempt",
    AReturnWithoutAStateComesFromAListedPage = "a-return-without-a-state-comes-from-a-listed-page",
    AReturnWithoutAStateWasBegunHere = "a-return-without-a-state-was-begun-here",
    AReturnIsFromTheIssuerThatWasAsked = "a-return-is-from-the-issuer-that-was-asked",
    IdTokensAreForUs = "id-tokens-are-for-us",
    IdTokensAreOfTheirLogin = "id-tokens-are-of-their-login",
    UserInfoIsTheSamePersons = "user-info-is-the-same-persons",
    AStateIsUsedOnce = "a-state-is-used-once",
    DoubledCallbacksShareOneExchange = "doubled-callbacks-share-one-exchange",
    AttemptsHaveALifetime = "attempts-have-a-lifetime",
    AttemptsAreFew = "attempts-are-few",
    AParameterComesOnce = "a-parameter-comes-once",
    CodesHaveAShape = "codes-have-a-shape",
    QqIsBelievedOfAnAttemptAlone = "qq-is-believed-of-an-attempt-alone",
    AccessTokensAreOurApps = "access-tokens-are-our-apps",
    AMemberComesOnce = "a-member-comes-once",
    AnswersOfQqAreBounded = "answers-of-qq-are-bounded",
    CallsToQqFollowNoRedirect = "calls-to-qq-follow-no-redirect",
    // Taking the shop down.
    NoAddressTakesEveryPlace = "no-address-takes-every-place",
    EachAddressIsLimited = "each-address-is-limited",
    ASubscribersAddressesAreOne = "a-subscribers-addresses-are-one",
    AllLoginsTogetherAreLimited = "all-logins-together-are-limited",
    AllExchangesTogetherAreLimited = "all-exchanges-together-are-limited",
    ExchangesAtOnceAreLimited = "exchanges-at-once-are-limited",
    ASilentQqIsLeftAlone = "a-silent-qq-is-left-alone",
    WhatIsTurnedAwaySpendsNothing = "what-is-turned-away-spends-nothing",
    // Administering what is somebody else's.
    AdministrationAnswersToItsNames = "administration-answers-to-its-names",
    OperationsNeedTheToken = "operations-need-the-token",
    NamesPlayNoTricksOnTerminals = "names-play-no-tricks-on-terminals",
}

/// Whether a rule holds: always.
#[cfg(not(feature = "switchable-rules"))]
#[inline(always)]
pub(crate) const fn holds(_: Rule) -> bool {
    true
}

#[cfg(feature = "switchable-rules")]
pub(crate) use self::switch::holds;

#[cfg(feature = "switchable-rules")]
mod switch {
    use std::io::{Write, stderr};
    use std::process::exit;
    use std::sync::OnceLock;

    use super::Rule;

    const _: () = assert!(
        option_env!("MENSHEN_IS_BUILT_FOR_ITS_TESTS").is_some(),
        "switchable-rules lets the environment switch security off: it is for scripts/mutation, and for no proxy"
    );

    /// Whether a rule holds: unless `MENSHEN_RULE_OFF` named it when it was first asked.
    pub(crate) fn holds(rule: Rule) -> bool {
        static OFF: OnceLock<Option<Rule>> = OnceLock::new();
        *OFF.get_or_init(named_by_the_environment) != Some(rule)
    }

    fn named_by_the_environment() -> Option<Rule> {
        let name = std::env::var_os("MENSHEN_RULE_OFF")?;
        let rule = name.to_str().and_then(Rule::named);
        if rule.is_none() {
            // Past the test harness, which would keep it back.
            let _ = writeln!(stderr(), "MENSHEN_RULE_OFF={}: there is no such rule", name.display());
            exit(2);
        }
        rule
    }
}
