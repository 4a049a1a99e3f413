"""The look of the report page: one style sheet, light and dark, from phone to desk."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f3f5f8;--card:#fff;--ink:#1b2530;--soft:#56636f;--line:#dfe5eb;--bar:#5aa7cc;
--track:#e8edf2;--good:#17713a;--bad:#b3261e;--warn:#fff4d6;--warn-ink:#5b4300;--warn-line:#e6c869}
@media (prefers-color-scheme:dark){:root{--page:#0f141b;--card:#171d26;--ink:#e4e9ef;--soft:#9eabb8;--line:#2a3441;
--bar:#3b88a8;--track:#26303c;--good:#6fd394;--bad:#ff9088;--warn:#332a10;--warn-ink:#f3dfa4;--warn-line:#6a5718}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:66rem;margin:0 auto;padding:2rem 1.25rem 3rem}
header{margin-bottom:1.5rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .3rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .2rem}
h3{font-size:.95rem;margin:1.4rem 0 .3rem}
p{margin:.3rem 0 .8rem}
ul{margin:.5rem 0 0;padding-left:1.2rem}
.soft,.hint{color:var(--soft)}
.hint{font-size:.88rem;max-width:48rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.2rem 1.4rem;margin:0 0 1.1rem}
.note{background:var(--warn);color:var(--warn-ink);border:1px solid var(--warn-line);border-radius:10px;
padding:.7rem 1rem;margin:0 0 1.1rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:1rem;margin:0 0 1.1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1rem 1.2rem}
.card b{display:block;font-size:1.85rem;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.card span{display:block;color:var(--soft);font-size:.88rem}
.card .name{color:var(--ink);font-weight:600}
.scroll{overflow-x:auto;margin:.6rem 0 .2rem}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.42rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
tr:last-child>*{border-bottom:0}
th{font-weight:600;color:var(--soft);font-size:.84rem}
th:first-child,td:first-child,.left{text-align:left}
th:first-child,td:first-child{padding-left:0}
tbody th{color:var(--ink);font-size:.92rem}
.wrap{white-space:normal;min-width:13rem;overflow-wrap:anywhere}
td.plot{width:42%;min-width:9rem}
.limits td.plot{width:24%}
.bar{position:relative;height:.85rem;background:var(--track);border-radius:3px}
.bar i{position:absolute;inset:0 auto 0 0;background:var(--bar);border-radius:3px}
.bar.over i{background:var(--bad)}
.bar u{position:absolute;top:50%;height:2px;margin-top:-1px;background:var(--ink);opacity:.9}
.bar u::before,.bar u::after{content:"";position:absolute;top:-3px;height:8px;width:2px;background:var(--ink)}
.bar u::before{left:0}.bar u::after{right:0}
em{font-style:normal}
.pass{color:var(--good);font-weight:600}.over-text{color:var(--bad);font-weight:600}
img{display:block;max-width:100%;height:auto;margin:.6rem auto 0}
.picture{overflow-x:auto}.picture img{min-width:30rem}
.facts th,.facts td{text-align:left;vertical-align:top;white-space:normal}
.facts th{color:var(--soft);font-weight:500;width:11rem;overflow-wrap:anywhere}
.facts td{overflow-wrap:anywhere}
code,pre{font:.88em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{background:var(--track);border-radius:8px;padding:.7rem .9rem;margin:.4rem 0 .8rem;white-space:pre-wrap;
overflow-wrap:anywhere}
footer{color:var(--soft);font-size:.85rem}
@media (max-width:40rem){main{padding:1.1rem .7rem 2rem}section{padding:1rem .9rem}h1{font-size:1.4rem}
.cards{grid-template-columns:1fr 1fr;gap:.6rem}.card{padding:.75rem .8rem}.card b{font-size:1.35rem}
th,td{padding:.38rem .5rem}td.plot{min-width:7rem}.facts th{width:7rem}}
@media print{body{background:#fff}section,.card{break-inside:avoid}}
"""
