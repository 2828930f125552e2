//! The layout of the demo in a real browser: narrow and wide, light and dark, with the keyboard.

use serde_json::Value;

use crate::{process::Demo, webdriver::Chromium};

const PAGES: [&str; 11] = [
    "/",
    "/login/",
    "/dashboard",
    "/letters",
    "/live",
    "/compare",
    "/password/",
    "/cart/",
    "/account/",
    "/accounts/login/",
    "/accounts/password_change/",
];

/// Pairs of buttons or fields that are too near to each other for a finger.
const TOO_NEAR: &str = "
const boxes = [...document.querySelectorAll('button, .button, input:not([type=hidden])')]
  .map(element => element.getBoundingClientRect());
const apart = (a, b) => Math.max(a.left - b.right, b.left - a.right, a.top - b.bottom, b.top - a.bottom);
return boxes.flatMap((a, i) => boxes.slice(i + 1).map(b => apart(a, b))).filter(gap => gap < 6)";

/// Functions for the scripts below: the brightness of a color, the color behind an element, a contrast.
const COLORS: &str = "
const light = color => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(part => part / 255)
    .map(part => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const behind = element => {
  const color = getComputedStyle(element).backgroundColor;
  return color.endsWith(', 0)') ? behind(element.parentElement) : color;
};
const contrast = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
";

/// The lowest contrast between a text and its background (WCAG requires 4.5).
const TEXTS: &str = "
return Math.min(...[...document.querySelectorAll('body *:not(style, script)')]
  .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .map(element => contrast(light(getComputedStyle(element).color), light(behind(element)))))";

/// The lowest contrast between the border of a field and its surroundings (WCAG requires 3); 3 without a field.
const FIELDS: &str = "
return Math.min(3, ...[...document.querySelectorAll('input:not([type=hidden])')]
  .map(field => contrast(light(getComputedStyle(field).borderTopColor), light(behind(field.parentElement)))))";

/// Counts the elements that can have the focus.
const FOCUSABLE: &str =
    "return [...document.querySelectorAll('a, button, input:not([type=hidden])')].length";

/// The index of the element with the focus; null if the focus is not visible.
const FOCUS: &str = "
const focus = document.activeElement;
const style = getComputedStyle(focus);
const shows = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
return shows ? [...document.querySelectorAll('a, button, input:not([type=hidden])')].indexOf(focus) : null";

async fn log_in(chromium: &Chromium, demo: &Demo) {
    chromium.open(&demo.url("/login/")).await;
    chromium.type_into("#username", &demo.username).await;
    chromium.type_into("#password", &demo.password).await;
    chromium.follow("main button").await;
    chromium.arrive("/dashboard").await;
}

#[testbed::test]
#[ignore = "needs chromium and chromium-driver: .ci/run browser"]
async fn every_page_fits_wide_and_narrow_by_day_and_by_night() {
    let demo = Demo::start("layout");
    let chromium = Chromium::start().await;
    log_in(&chromium, &demo).await;
    chromium.open(&demo.url("/dashboard")).await;
    chromium.follow("form[action='/permission/'] button").await;
    for page in PAGES {
        chromium.open(&demo.url(page)).await;
        for (width, color_scheme) in
            [(390, "light"), (390, "dark"), (1000, "dark"), (1000, "light")]
        {
            chromium.show_as(width, color_scheme).await;
            let found = format!("{page} {width} {color_scheme}");
            let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
            assert_eq!(chromium.tell(fits).await, true, "{found} scrolls sideways");
            let near = chromium.tell(TOO_NEAR).await;
            assert_eq!(near.as_array().map(Vec::len), Some(0), "{found}: gaps of {near}");
            for (what, least) in [(TEXTS, 4.5), (FIELDS, 3.0)] {
                let contrast = chromium.tell(&format!("{COLORS}{what}")).await.as_f64().unwrap();
                assert!(contrast >= least, "{found}: contrast {contrast} of {what}");
            }
            let red = "return parseInt(getComputedStyle(document.body).backgroundColor.slice(4))";
            let red = chromium.tell(red).await.as_u64().unwrap();
            assert_eq!(red < 128, color_scheme == "dark", "{found}: {red}");
        }
    }
    chromium.quit().await;
}

/// All pages of Rust and Django have the same header at the same height, logged in or not.
#[testbed::test]
#[ignore = "needs chromium and chromium-driver: .ci/run browser"]
async fn the_header_does_not_jump() {
    let demo = Demo::start("header");
    let chromium = Chromium::start().await;
    let place = "
const places = ['header', 'nav', 'nav a:last-child', 'main'].map(selector => document.querySelector(selector))
  .map(element => element.getBoundingClientRect()).map(({ x, y, height }) => [x, y, height]);
places[3].pop();
const last = document.querySelector('header .last').getBoundingClientRect();
return [places, last.y, last.right]";
    for width in [390, 1000] {
        chromium.show_as(width, "light").await;
        let mut places: Vec<Value> = Vec::new();
        for path in ["/", "/login/", "/cart/"] {
            chromium.open(&demo.url(path)).await;
            places.push(chromium.tell(place).await);
        }
        log_in(&chromium, &demo).await;
        for path in ["/", "/dashboard", "/letters", "/cart/", "/account/"] {
            chromium.open(&demo.url(path)).await;
            places.push(chromium.tell(place).await);
        }
        assert!(places.iter().all(|other| *other == places[0]), "{places:?}");
        chromium.follow("header form button").await;
    }
    chromium.quit().await;
}

#[testbed::test]
#[ignore = "needs chromium and chromium-driver: .ci/run browser"]
async fn the_keyboard_reaches_everything_and_shows_where_it_is() {
    const TAB: &str = "\u{E004}";
    const ENTER: &str = "\u{E007}";

    let demo = Demo::start("keyboard");
    let chromium = Chromium::start().await;
    // Log in with the keyboard alone.
    chromium.open(&demo.url("/login/")).await;
    while chromium.tell("return document.activeElement.id").await != "username" {
        chromium.press(TAB).await;
    }
    chromium.type_into("#username", &demo.username).await;
    chromium.press(TAB).await;
    chromium.type_into("#password", &demo.password).await;
    chromium.press(ENTER).await;
    chromium.arrive("/dashboard").await;
    chromium.read("Hello, ada").await;

    for page in ["/", "/dashboard", "/live", "/cart/"] {
        chromium.open(&demo.url(page)).await;
        let count = chromium.tell(FOCUSABLE).await.as_u64().unwrap();
        for index in 0..count {
            chromium.press(TAB).await;
            assert_eq!(chromium.tell(FOCUS).await, index, "on {page}");
        }
    }
    chromium.quit().await;
}
