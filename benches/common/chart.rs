//! A bar chart in SVG, readable on light and dark pages.

use std::fmt::Write as _;

use super::report::number;

const STYLE: &str = "
  .page { fill: #ffffff } .text { fill: #1f2328 } .quiet { fill: #59636e }
  .ours { fill: #1a7f37 } .theirs { fill: #8c959f } .postgres { fill: #bf8700 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #f0f6fc } .quiet { fill: #9198a1 }
    .ours { fill: #3fb950 } .theirs { fill: #6e7681 } .postgres { fill: #d29922 }
  }
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif }
  .title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 } .end { text-anchor: end }
";

const WIDTH: f64 = 960.0;
const ROW: f64 = 30.0;
const TOP: f64 = 92.0;
const NAMES: f64 = 300.0;
const PANEL: f64 = 320.0;
/// Room at the end of a panel for the number behind the longest bar.
const NUMBER: f64 = 76.0;

/// One server.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) is_ours: bool,
    pub(crate) requests_per_second: f64,
    pub(crate) server_cpu: f64,
    pub(crate) postgres_cpu: f64,
}

/// Requests per second, and beside them the CPU time of each request.
pub(crate) fn svg(title: &str, note: &str, bars: &[Bar]) -> String {
    let height = TOP + ROW * bars.len() as f64 + 36.0;
    let panels = [NAMES, NAMES + PANEL + 16.0];
    let most = bars.iter().map(|bar| bar.requests_per_second).fold(1.0, f64::max);
    // One bar that is far longer than all others would hide them, so it is cut off.
    let cpu = |bar: &Bar| bar.server_cpu + bar.postgres_cpu;
    let mut costs: Vec<f64> = bars.iter().map(cpu).filter(|cost| cost.is_finite()).collect();
    costs.sort_by(f64::total_cmp);
    let dearest = match costs[..] {
        [.., second, first] if first > 3.0 * second => second * 1.15,
        [.., first] => first,
        [] => 1.0,
    };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n"
    );
    text(&mut svg, 16.0, 30.0, "text title", title);
    text(&mut svg, 16.0, 50.0, "quiet", note);
    text(&mut svg, panels[0], 80.0, "text head", "requests per second");
    text(&mut svg, panels[1], 80.0, "text head", "CPU µs per request: server + PostgreSQL");
    for (index, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        let class = if bar.is_ours { "ours" } else { "theirs" };
        text(&mut svg, NAMES - 10.0, y + 17.0, "text end", &bar.name);

        let length = (PANEL - NUMBER) * bar.requests_per_second / most;
        rectangle(&mut svg, panels[0], y, length, class);
        let shown = number(bar.requests_per_second);
        text(&mut svg, panels[0] + length.max(1.0) + 6.0, y + 17.0, "text", &shown);

        let cost = cpu(bar);
        if !cost.is_finite() {
            continue;
        }
        let scale = (PANEL - NUMBER) / cost.max(1e-9) * (cost / dearest).min(1.0);
        let (server, postgres) = (bar.server_cpu * scale, bar.postgres_cpu * scale);
        rectangle(&mut svg, panels[1], y, server, class);
        rectangle(&mut svg, panels[1] + server, y, postgres, "postgres");
        let cut = if cost > dearest { "» " } else { "" };
        let shown = format!("{cut}{}", number(cost));
        text(&mut svg, panels[1] + server + postgres + 6.0, y + 17.0, "text", &shown);
    }
    let y = height - 24.0;
    let mut x = panels[1];
    for (class, name) in
        [("ours", "this crate"), ("theirs", "others"), ("postgres", "PostgreSQL's share")]
    {
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"11\" height=\"11\" rx=\"2\"/>"
        );
        text(&mut svg, x + 16.0, y + 10.0, "quiet", name);
        x += 34.0 + 6.6 * name.len() as f64;
    }
    svg + "</svg>\n"
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, class: &str) {
    let (y, width, height) = (y + 3.0, width.max(1.0), ROW - 10.0);
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y}\">{text}</text>");
}
