//! Owns the [`Service`] that a trait describes, as values that the rest of the crate reads. Knows no tokens: it is made
//! by `parse` and written out by `expand`.

use syn::{Attribute, Expr, Ident, ItemTrait, Path, Type};

/// A trait on the wire.
pub(crate) struct Service {
    /// The trait as the user wrote it, without our attributes.
    pub(crate) item: ItemTrait,
    pub(crate) options: ServiceOptions,
    /// The name on the wire.
    pub(crate) name: String,
    pub(crate) docs: String,
    /// What of the trait's attributes goes on what is generated beside it: `doc`, `deprecated`.
    pub(crate) shown: Vec<Attribute>,
    /// What the trait allows, and by being deprecated lets its own parts be.
    pub(crate) lints: Vec<Attribute>,
    pub(crate) cfg: Vec<Attribute>,
    /// The methods that are well formed, in the order of the trait.
    pub(crate) methods: Vec<Method>,
    /// Whether the trait itself is well formed, whatever its methods are.
    pub(crate) is_servable: bool,
    /// Whether anything was wrong: then what is generated only keeps the rest of the program compiling.
    pub(crate) is_broken: bool,
}

/// What stands in `#[rpc_service(…)]`.
#[derive(Default)]
pub(crate) struct ServiceOptions {
    pub(crate) name: Option<String>,
    pub(crate) krate: Option<Path>,
}

pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) options: MethodOptions,
    /// The name on the wire.
    pub(crate) name: String,
    /// The place in the trait as written.
    pub(crate) index: u32,
    pub(crate) docs: String,
    /// What of its attributes goes on the client's method: `doc`, `deprecated`, allowed lints.
    pub(crate) shown: Vec<Attribute>,
    /// Whether it is deprecated, if anything says so.
    pub(crate) deprecated: Option<Expr>,
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returns: Returns,
}

/// What stands in `#[rpc(…)]` on a method.
#[derive(Default)]
pub(crate) struct MethodOptions {
    pub(crate) name: Option<String>,
    pub(crate) idempotent: bool,
    /// The word `dedup`.
    pub(crate) dedup: Option<Ident>,
    pub(crate) timeout_micros: Option<u64>,
    pub(crate) idle_timeout: Option<StreamTime>,
    pub(crate) total_timeout: Option<StreamTime>,
    pub(crate) elements: Option<u32>,
    pub(crate) oneway: bool,
    pub(crate) blocking: bool,
    pub(crate) retry: Option<Retry>,
    pub(crate) retry_on: Option<RetryOn>,
    pub(crate) hedge: Option<Hedge>,
    /// The roles that may call it; empty if the trait does not say.
    pub(crate) allow: Vec<String>,
    pub(crate) cache: Option<Cache>,
}

/// `retry(…)`: what is left out is the runtime's default.
pub(crate) struct Retry {
    pub(crate) key: Ident,
    pub(crate) attempts: Option<u32>,
    pub(crate) base_micros: Option<u64>,
    pub(crate) cap_micros: Option<u64>,
    pub(crate) backoff: Option<Backoff>,
    /// Those of a proportional back-off.
    pub(crate) alpha: Option<f64>,
    pub(crate) t_max_micros: Option<u64>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Backoff {
    FullJitter,
    EqualJitter,
    Decorrelated,
    Grpc,
    Proportional,
}

/// `retry_on = …`.
pub(crate) struct RetryOn {
    pub(crate) key: Ident,
    /// A function, or a closure, from the service's own error to whether another attempt is worth it.
    pub(crate) test: Expr,
}

/// `hedge(…)`.
pub(crate) struct Hedge {
    pub(crate) key: Ident,
    pub(crate) after_micros: Option<u64>,
    pub(crate) percentile: Option<f64>,
}

/// `cache`, and `cache(…)`, which has a time.
pub(crate) struct Cache {
    pub(crate) key: Ident,
    pub(crate) ttl_micros: Option<u64>,
    pub(crate) errors_micros: Option<u64>,
    pub(crate) stale_if_error_micros: Option<u64>,
}

/// A time that only a method with a stream has.
pub(crate) struct StreamTime {
    /// The option that sets it.
    pub(crate) key: Ident,
    pub(crate) micros: u64,
}

pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// The type as written.
    pub(crate) ty: Type,
    pub(crate) way: Way,
    /// `#[rpc(default)]`.
    pub(crate) is_optional: bool,
    /// The word of `#[rpc(key)]`.
    pub(crate) key: Option<Ident>,
}

/// How an argument travels.
pub(crate) enum Way {
    /// In the array of arguments.
    Array(Passing),
    /// Beside it, `item` by `item`: `Streaming<T>`.
    Beside { item: Type },
}

/// How an argument gets from the message to the method.
pub(crate) enum Passing {
    /// Decoded as it is written: `T`, or a reference into the message (`&str`).
    Direct { borrows: bool },
    /// `Cow<'_, str>` or `Cow<'_, [u8]>`: a view of the message, where serde would copy.
    Cow { ty: Type },
    /// `&T`: decoded as a `T` and lent.
    Lent { ty: Type, borrows: bool },
    /// `&[T]`: decoded as a `Vec<T>` and lent.
    Slice { item: Type, borrows: bool },
}

impl Passing {
    /// Whether it may hold references into the message, which must then live as long as the method runs.
    pub(crate) const fn borrows(&self) -> bool {
        match self {
            Self::Cow { .. } => true,
            Self::Direct { borrows } | Self::Lent { borrows, .. } | Self::Slice { borrows, .. } => *borrows,
        }
    }
}

pub(crate) struct Returns {
    /// The type as written, `()` where none is.
    pub(crate) written: Type,
    pub(crate) mode: Mode,
    /// What travels: the one value, or each item of a stream.
    pub(crate) ty: Type,
    /// That of `ty`.
    pub(crate) shape: Shape,
}

/// How often, and when, something comes back.
pub(crate) enum Mode {
    /// Once: `async fn … -> T`.
    Once,
    /// Item by item: `fn … -> impl Stream<Item = T>`.
    Stream,
    /// Item by item, once the method has come so far: `async fn … -> impl Stream<Item = T>`, or
    /// `Result<impl Stream<Item = T>, E>`.
    Opened { error: Option<Box<Type>> },
}

/// Whether what travels is a `Result`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// It is none.
    Plain,
    /// It is called one.
    Result,
    /// It may be an alias of one, which only the compiler can tell.
    Unknown,
}

impl Returns {
    pub(crate) const fn is_stream(&self) -> bool {
        !matches!(self.mode, Mode::Once)
    }

    /// Where the compiler is to tell what is wrong with the types: the narrowest that holds all that travels.
    pub(crate) const fn place(&self) -> &Type {
        match &self.mode {
            Mode::Opened { error: Some(_) } => &self.written,
            Mode::Once | Mode::Stream | Mode::Opened { error: None } => &self.ty,
        }
    }
}

impl Method {
    /// Whether the arguments' message is needed as long as the method runs.
    pub(crate) fn borrows(&self) -> bool {
        self.encoded().any(|(_, passing)| passing.borrows())
    }

    /// The arguments in the array.
    pub(crate) fn encoded(&self) -> impl Iterator<Item = (&Argument, &Passing)> {
        self.arguments.iter().filter_map(|argument| match &argument.way {
            Way::Array(passing) => Some((argument, passing)),
            Way::Beside { .. } => None,
        })
    }

    /// The argument beside it, and the type of its items.
    pub(crate) fn streaming(&self) -> Option<(&Argument, &Type)> {
        self.arguments.iter().find_map(|argument| match &argument.way {
            Way::Beside { item } => Some((argument, item)),
            Way::Array(_) => None,
        })
    }

    /// Whether items come or go.
    pub(crate) fn has_stream(&self) -> bool {
        self.streaming().is_some() || self.returns.is_stream()
    }
}
