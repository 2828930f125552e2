//! `#[testbed::test]`.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// An async test, as with `#[actix_web::test]`. But actix compiles its `block_on`, and tokio's below it, again for the
/// type of each future: a third of the time that `tests/live` took to compile. Here the future is boxed, and each test
/// has the same one.
///
/// # Panics
/// When it is not on an `async fn`: the compiler says so.
#[proc_macro_attribute]
pub fn test(_: TokenStream, function: TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = function.into_iter().collect();
    let is_async =
        |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word.to_string() == "async");
    let Some(keyword) = tokens.iter().position(is_async) else { panic!("it is for an `async fn`") };
    let keyword = tokens.remove(keyword);
    let Some(TokenTree::Group(body)) = tokens.pop() else { panic!("the function has no body") };

    let future = TokenStream::from_iter([keyword, body.clone().into()]);
    let mut boxed = words("::std::boxed::Box::pin");
    boxed.extend([in_parentheses(future)]);
    let mut run = words("::testbed::block_on");
    run.extend([in_parentheses(boxed)]);

    let mut test = words("#[::core::prelude::v1::test]");
    test.extend(tokens);
    test.extend([TokenTree::from(Group::new(Delimiter::Brace, run))]);
    test
}

fn words(source: &str) -> TokenStream {
    source.parse().expect("it is Rust")
}

fn in_parentheses(inside: TokenStream) -> TokenTree {
    Group::new(Delimiter::Parenthesis, inside).into()
}
