//! Owns every message of the attribute, each a row of one table that names the fix, and the [`Report`] that collects
//! them. Does not look for mistakes. Two things are said elsewhere: what syn says of tokens that do not parse, and, by the
//! runtime, which alone knows its features, that one is missing.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The table: a mistake, what its message quotes, and the message.
macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident $({ $($quoted:ident),* })? => $text:literal;)*) => {
        /// What can be wrong with a service.
        pub(crate) enum Mistake<'a> {
            $($(#[$doc])* $name $({ $($quoted: &'a str),* })?,)*
        }

        impl Mistake<'_> {
            fn text(&self) -> String {
                match self {
                    $(Self::$name $({ $($quoted),* })? => format!($text),)*
                }
            }
        }
    };
}

// The trait.
mistakes! {
    NotATrait => "`#[rpc_service]` goes on a trait: `#[rpc_service] pub trait Name {{ … }}`";
    ServiceTwice => "this trait is a service already: leave one `#[rpc_service]`, with all that it says";
    TraitGenerics => "a service is one contract, so its trait takes no generics: \
        move them to the type that implements it";
    TraitUnsafe => "nobody can keep an `unsafe` trait's promise from afar: remove `unsafe`";
    TraitAuto => "a service has methods, which an `auto` trait cannot have: remove `auto`";
    AssociatedConst => "a constant cannot be asked for over the wire: make it a method, or move it to a supertrait";
    AssociatedType => "a service is one contract, so its types are fixed: write the type itself where it is used";
    MacroInTrait => "the attribute cannot see what a macro writes here: write the methods out";
    UnknownItem => "a service has methods and nothing else: write `async fn name(&self, …) -> …;`";

    // What stands before a method's arguments.
    NotAsync { method } => "a call takes time: write `async fn {method}`";
    NoReceiver => "a method is called on a service: add `&self` as its first argument";
    MutableReceiver => "calls run side by side: take `&self`, and keep what changes behind a lock or an atomic";
    ValueReceiver => "one call cannot consume the service that others use: take `&self`";
    TypedReceiver => "the service is lent for the call: write `&self`";
    ReceiverLifetime => "the service is lent for the call: write `&self` without a lifetime";
    Generics => "caller and service must agree on the types beforehand: \
        take concrete types, or an enum of those that can come";
    Lifetimes => "what is lent is lent for the call: leave the lifetime out, or write `'_`";
    Const => "a call takes time, which a `const fn` has not: remove `const`";
    Unsafe => "nobody can keep an `unsafe` method's promise from afar: remove `unsafe`";
    Extern => "a call has its own convention, the wire: remove `extern`";
    DefaultWithoutSync => "a default body lends `self` to a future that may change its thread: \
        add `where Self: Sync` to the method";
    Variadic => "the arguments of a call are fixed: take a `Vec` in place of `...`";

    // Arguments.
    Pattern => "an argument has one name: name it, and take it apart in the method's body";
    NoName => "an argument needs a name, which errors and tools show: write one in place of `_`";
    CfgArgument => "an argument's place is its name on the wire, so both sides must have it: \
        put the `cfg` on the method, or make the argument an `Option`";
    ImplArgument => "a service decodes what comes, so it must know the type: \
        write a concrete one in place of `impl …`";
    DynArgument => "a service decodes what comes, so it must know the type: \
        write a concrete one in place of `dyn …`";
    StreamArgument => "what a caller sends item by item comes as one type: take a `Streaming<T>`";
    StreamingWithoutItem => "both sides must know what is sent item by item: write `Streaming<T>`";
    StreamingNested => "items come beside the arguments, so `Streaming<T>` stands alone: \
        make it an argument of its own";
    StreamingTwice => "one call sends items one after another, in one `Streaming`: \
        take an enum of what can come, or make it a method of its own";
    StreamingDefault => "items come beside the arguments, and an older caller sends none: remove `default`";
    StreamingKey => "items come one after another, and a call goes somewhere before the first: \
        mark an argument that is sent with the call";
    KeyTwice => "a call belongs where one key says: mark one argument, or make a struct or a tuple of both";
    StreamingBorrows => "an item comes later than the call and cannot be lent: \
        take an owned type, such as `String` for `&str` or `Vec<T>` for `&[T]`";
    MutableReference => "an argument is sent, so a change to it would be lost: \
        take `&T` or `T`, and return what has changed";
    StaticReference => "what comes from a message does not live for ever: \
        leave `'static` out, or take an owned type";
    SelfType => "the client and the service are different types, so `Self` is none that can travel: \
        write the type itself";
    RequiredBehindDefault { earlier } => "`{earlier}` can only be absent if everything behind it can: \
        give this argument `#[rpc(default)]` or make it an `Option`, or put it before `{earlier}`";

    // Answers.
    ImplReturn => "a client decodes what comes back, so it must know the type: return a concrete one";
    StreamNested => "a stream comes back on its own: return `impl Stream<Item = T>`, \
        or `Result<impl Stream<Item = T>, E>` from an `async fn`";
    StreamBehindAlias { alias } => "the attribute cannot look behind `{alias}`: if it is an alias of `Result`, \
        write `Result<impl Stream<Item = T>, E>` in its place, with both types; a stream comes back in nothing else";
    StreamDyn => "the attribute must see what comes back: \
        return `impl Stream<Item = T>`, without `dyn` and what holds it";
    StreamWithoutItem => "a client decodes each item, so it must know the type: write `impl Stream<Item = T>`";
    StreamBound => "a client's stream stands for a service's, and promises nothing but `Send`: remove this bound";
    StreamingReturn => "`Streaming` is what a caller sends: return `impl Stream<Item = T>`";
    DynReturn => "a client decodes what comes back, so it must know the type: \
        write a concrete one in place of `dyn …`";
    ReferenceReturn => "an answer goes on a journey and cannot borrow: \
        return an owned type, such as `String` for `&str` or `Vec<T>` for `&[T]`";
    OnewayReturn => "nobody waits for the answer of a `oneway` method: return nothing, or remove `oneway`";
    OnewayStreaming => "the caller of a `oneway` method does not stay to send items: \
        take a `Vec`, or remove `oneway`";

    // Options.
    UnknownOption { key, place, hint, valid } => "there is no option `{key}` {place}:{hint} there are {valid}";
    OptionElsewhere { key, place } => "the option `{key}` belongs elsewhere: {place}";
    DuplicateOption { key } => "`{key}` is given twice: remove one";
    WrongNumber { key, range, example } => "`{key}` takes {range}: `{key} = {example}`";
    MissingValue { key, example } => "`{key}` needs a value: `{key} = {example}`";
    UnexpectedValue { key } => "`{key}` takes no value: write `{key}` alone";
    WrongValue { key, example } => "`{key}` takes another kind of value: `{key} = {example}`";
    Syntax { text } => "{text}: options are words and `word = value`, with a comma between them";
    NoOptions { valid } => "`#[rpc]` needs options in parentheses: `#[rpc(…)]` with {valid}";
    RpcOnTrait => "the options of a service go into the attribute: `#[rpc_service(name = \"…\")]`";
    RpcOnReceiver => "`self` does not travel: `#[rpc(default)]` goes on an argument";
    NameEmpty => "a name on the wire has at least one character: write one, or leave `name` out";
    NameCharacter { character } => "`{character}` cannot be part of a name on the wire: \
        use letters, digits, `_` and `-`";
    NameDot => "a `.` stands between service and method on the wire: use `_` or `-` in its place";
    NameTooLong { len, most } => "the full name has {len} bytes, and the protocol carries {most}: \
        shorten it with `name = \"…\"`";
    DuplicateName { name, other } => "`{other}` is called `{name}` on the wire already: \
        choose another `name = \"…\"`";
    CratePath { text } => "`{text}` is no path of a crate: write it as in `crate = \"::traitwire\"`";
    DurationForm { text } => "`{text}` is no time: write a whole number and a unit, as in \"250ms\" \
        (`us`, `ms`, `s`, `m`, `h`)";
    DurationUnit { unit } => "`{unit}` is no unit of time: there are `us`, `ms`, `s`, `m`, `h`";
    DurationZero { key } => "no call can be made in no time: write a longer one, or leave `{key}` out";
    DurationTooLong { key } => "that is longer than ten years: write a shorter time, or leave `{key}` out";
    StreamTimeout { key } => "nothing streams here, so `{key}` has nothing to say: \
        write `timeout`, or remove it";
    TotalTimeoutShort => "a stream may take longer to begin than it may take in all: \
        write a `total_timeout` that is not shorter than `timeout`";
    RetryNotIdempotent => "a call that is tried again may have run the first time: \
        say `idempotent` if twice does no more than once, `dedup` if its server is to run it once, or remove `retry`";
    DedupIdempotent => "what may run twice needs no memory of having run: remove `dedup`, or `idempotent`";
    DedupOneway => "nobody waits to send a `oneway` call again: remove `dedup`, or `oneway`";
    DedupStream => "only an answer that comes in one piece, to a call that goes in one, can be remembered: remove `dedup`";
    HedgeNotIdempotent => "a hedge runs the method twice at a time: \
        say `idempotent` if twice does no more than once, or remove `hedge`";
    CacheNotIdempotent => "an answer that is kept stands for calls that are not made then: \
        say `idempotent` if the method only reads, or remove `cache`";
    CacheOneway => "nobody waits for the answer of a `oneway` method: remove `cache`, or `oneway`";
    CacheStream => "only an answer that comes in one piece, to a call that goes in one, can be kept: remove `cache`";
    CacheWithoutTtl => "an answer is not good for ever: say how long, as in `cache(ttl = \"5s\")`, \
        or `cache` alone if those who call shall say it";
    OnewayAttempts { key } => "nobody waits to see a `oneway` call fail or take long: remove `{key}`, or `oneway`";
    HedgeStreaming { argument } => "what `{argument}` brings can be sent once, and a hedge would need it twice: \
        remove `hedge`";
    RetryCapShort => "no wait is longer than `cap`, so `base` cannot be: write a longer `cap`, or a shorter `base`";
    RetryBackoff { text, valid } => "there is no back-off `{text}`: there are {valid}";
    RetryNotProportional { key } => "`{key}` is part of the proportional back-off: \
        add `backoff = \"proportional\"`, or remove it";
    OptionsInside { key, valid } => "`{key}` has options of its own, in parentheses: `{key}(…)` with {valid}";
    RetryOnNothing => "the method has no error of its own that could say that another attempt may succeed: \
        return a `Result`, or remove `retry_on`";
    RetryOnItems => "an error of an item ends a stream that has begun, which is not begun again: \
        return `Result<impl Stream<…>, E>` from an `async fn` to try again to open it, or remove `retry_on`";
    AllowNothing => "no role would be enough, so nobody could call it: name one, as in `allow = \"admin\"`, or remove `allow`";
    AllowEmpty => "a role has a name: write one, as in `allow = \"admin\"`, or remove it";
    AllowCharacter { character } => "`{character}` cannot be part of a role's name: \
        use letters, digits and `_`, `-`, `.`, `:`, `/`";
    AllowTwice { role } => "the role `{role}` is named twice: remove one";
    AllowForm => "`allow` takes roles: `allow = \"admin\"`, or `allow(\"admin\", \"ops\")`";
    ElementsZero => "no message fits into no elements: write how many it may hold, or leave `elements` out";
    ElementsTooMany => "the most elements that a message can have are 4294967295: write fewer";
}

/// Mistakes in the order in which they were found.
#[derive(Default)]
pub(crate) struct Report {
    errors: Vec<syn::Error>,
}

impl Report {
    /// Notes a mistake at the tokens that are wrong.
    pub(crate) fn add(&mut self, at: impl ToTokens, mistake: &Mistake<'_>) {
        self.errors.push(syn::Error::new_spanned(at, mistake.text()));
    }

    /// Notes a mistake where the parser met it.
    pub(crate) fn add_at(&mut self, span: Span, mistake: &Mistake<'_>) {
        self.errors.push(syn::Error::new(span, mistake.text()));
    }

    /// Notes what the parser says.
    pub(crate) fn add_syntax(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    pub(crate) const fn len(&self) -> usize {
        self.errors.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// All of them, as the compiler will tell them.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.errors.iter().map(syn::Error::to_compile_error).collect()
    }
}

/// `a`, `b`, `c`, in backquotes.
pub(crate) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Asks for the name that `typed` was most likely meant to be: at most a third of its letters are wrong.
pub(crate) fn did_you_mean(typed: &str, names: &[&str]) -> String {
    let nearest = names.iter().map(|name| (distance(typed, name), name)).min();
    let near = nearest.filter(|(distance, name)| *distance <= name.len().max(3) / 3);
    near.map_or(String::new(), |(_, name)| format!(" did you mean `{name}`?"))
}

/// How many letters must be put in, left out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
