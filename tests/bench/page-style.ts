/** How pages of figures look: in the light and in the dark, with nothing from elsewhere. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --page: #ffffff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b1; --line: #30363d; --page: #0d1117; --card: #161b22; }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 24px; }
h1 { font-size: 22px; margin: 0 0 8px; }
h2 { font-size: 17px; }
.verdict { font-weight: 600; }
.verdict.bad { border-left: 4px solid #d55e00; padding-left: 10px; }
.verdict.good { border-left: 4px solid #009e73; padding-left: 10px; }
dl { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 16px; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px; }
dt { color: var(--soft); font-size: 12px; }
dd { margin: 0; font-size: 18px; font-variant-numeric: tabular-nums; }
.legend { color: var(--soft); font-size: 13px; display: flex; flex-wrap: wrap; gap: 18px; }
.key { width: 30px; height: 8px; }
figure { margin: 0 0 8px; overflow-x: auto; }
figcaption { font-weight: 600; font-size: 13px; }
figure svg { width: 100%; min-width: 720px; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .tick { fill: var(--soft); font-size: 11px; }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .warm-up { fill: var(--soft); opacity: 0.12; }
svg polyline { fill: none; stroke-width: 1.5; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); }
`;
