/* page_style.c - how report.html looks: light and dark, on a phone, on a desk and on paper. */
#include "report/page.h"

/* Series of plots keep their colours on white; on a dark ground the neutral ones are exchanged and
 * the others lightened. All texts have a contrast of at least 4.5 to 1 with their ground. */
const char *const page_style[] = {
    ":root{color-scheme:light dark;--ground:#f4f5f7;--card:#fff;--ink:#222;--soft:#5b6068;"
    "--line:#dcdfe4;--grid:#e4e4e4;--frame:#969696;--accent:#00639b;--bar:#4a9fd0;--track:#edf0f3}\n",
    "*{box-sizing:border-box}\n",
    "body{margin:0;background:var(--ground);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,Helvetica,Arial,sans-serif}\n",
    "main,header,footer{max-width:1200px;margin:0 auto;padding:0 16px}\n",
    "header{padding-top:24px}\n",
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}\n",
    "h2{font-size:1.25rem;line-height:1.25;margin:0 0 8px}\n",
    "h3{font-size:1rem;margin:20px 0 6px}\n",
    "p{margin:0 0 12px;max-width:72ch}\n",
    "a{color:var(--accent)}\n",
    ".lead,figcaption,.soft,footer{color:var(--soft)}\n",
    "nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:12px 0 20px;font-size:.95rem}\n",
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:20px;margin:0 0 16px;scroll-margin-top:8px}\n",
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(136px,1fr));gap:12px;"
    "margin:0 0 16px}\n",
    ".tile{border:1px solid var(--line);border-radius:8px;padding:12px 14px}\n",
    ".tile b{display:block;font-size:2rem;line-height:1.2;font-variant-numeric:tabular-nums}\n",
    ".tile span{display:block;font-size:.85rem;color:var(--soft)}\n",
    ".tile .name{color:var(--ink);font-weight:600;font-size:1rem}\n",
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));"
    "gap:16px;align-items:start}\n",
    "figure{margin:0;min-width:0}\n",
    "figcaption{font-size:.9rem;margin:4px 0 0}\n",
    "figure>svg{display:block;width:100%;max-width:600px;height:auto}\n",
    ".scroll{overflow-x:auto;margin:0 0 12px}\n",
    ".scroll>svg{display:block;height:auto}\n",
    ".fit>svg{display:block;max-width:100%;height:auto}\n",
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.95rem}\n",
    "caption{text-align:left;color:var(--soft);padding:0 0 6px}\n",
    "th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;"
    "white-space:nowrap}\n",
    "th{font-weight:600}\n",
    "th[scope=row],.left,.words{text-align:left}\n",
    "th[scope=row]{font-weight:400;max-width:28ch;overflow:hidden;text-overflow:ellipsis;"
    "position:sticky;left:0;background:var(--card)}\n",
    ".words{white-space:normal;min-width:22ch}\n",
    "tfoot th,tfoot td{font-weight:600!important;border-bottom:0}\n",
    ".bar span{float:left;width:84px;height:14px;margin:4px 8px 0 0;"
    "background:var(--track);border-radius:3px;overflow:hidden}\n",
    ".bar span,.bar i{print-color-adjust:exact;-webkit-print-color-adjust:exact}\n",
    ".bar i{display:block;height:100%;background:var(--bar)}\n",
    ".gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,220px),1fr));"
    "gap:12px;margin:0;padding:0;list-style:none}\n",
    ".gallery img{display:block;width:100%;height:auto;border-radius:6px}\n",
    ".gallery figcaption{overflow-wrap:anywhere;font-size:.85rem}\n",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0}\n",
    "dt{color:var(--soft)}\n",
    "dd{margin:0;overflow-wrap:anywhere}\n",
    "code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n",
    "footer{padding-bottom:24px;font-size:.9rem}\n",
    ":focus-visible{outline:2px solid var(--accent);outline-offset:2px}\n",
    "@media (max-width:600px){section{padding:14px 12px;border-radius:8px}"
    "main,header,footer{padding-left:8px;padding-right:8px}header{padding-top:16px}"
    "th,td{padding:5px 6px}thead th{white-space:normal;vertical-align:bottom}"
    ".words{min-width:11ch}.bar span{display:none}"
    ".tile b{font-size:1.6rem}dl{grid-template-columns:1fr;gap:0}"
    "dd{margin:0 0 8px}}\n",
    "@media screen and (prefers-color-scheme:dark){:root{--ground:#111316;--card:#1a1d21;"
    "--ink:#e6e8eb;"
    "--soft:#a5abb3;--line:#33383f;--grid:#2c3036;--frame:#7b828b;--accent:#6cbdf0;"
    "--bar:#3f8fc0;--track:#2a2f35}"
    "svg [fill=\"#ffffff\"]{fill:var(--card)}"
    "svg [fill=\"#222222\"]{fill:var(--ink)}svg [stroke=\"#222222\"]{stroke:var(--ink)}"
    "svg [fill=\"#606060\"]{fill:var(--soft)}svg [stroke=\"#606060\"]{stroke:var(--soft)}"
    "svg [stroke=\"#e4e4e4\"]{stroke:var(--grid)}svg [stroke=\"#969696\"]{stroke:var(--frame)}"
    "svg [stroke=\"#0072b2\"]{stroke:#4fb0ea}svg [stroke=\"#b3d5e8\"]{stroke:#2d566f}"
    "svg [stroke=\"#d55e00\"]{stroke:#f08a3c}svg [stroke=\"#009e73\"]{stroke:#2fc79b}"
    "svg [stroke=\"#aa5096\"]{stroke:#d58ac4}"
    "svg rect[fill=\"#0072b2\"]:not([fill-opacity]){fill:#4fb0ea}"
    "svg rect[fill=\"#d55e00\"]:not([fill-opacity]){fill:#f08a3c}"
    "svg [stroke=\"#5a5a5a\"]{stroke:#b4b4b4}}\n",
    "@media print{:root{--ground:#fff;--card:#fff;--ink:#000;--soft:#444}body{font-size:11pt}"
    "nav{display:none}section{border:0;padding:0;margin:0 0 18pt}"
    "figure,.tile,tr,.gallery li{break-inside:avoid}h2,h3{break-after:avoid}"
    ".scroll{overflow:visible}.scroll>svg{max-width:100%}}\n",
    NULL};
