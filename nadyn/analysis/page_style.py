"""How the report looks: light, dark and printed."""

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--paper:#fff;--ink:#1d2129;--quiet:#5b6470;--line:#e1e5ea;
--mark:#0b66a8;--note:#fff6e0;--note-line:#e6b84a}
@media (prefers-color-scheme:dark){:root{--page:#111418;--paper:#191d23;--ink:#e7eaee;--quiet:#9aa4b0;
--line:#2b323b;--mark:#62b1e6;--note:#2b2413;--note-line:#9a7a26;
--state-0:#3fa3e0;--state-1:#f08a45;--state-2:#2cc495;--state-3:#e29cc4;
--state-6:#a98be0;--state-7:#c08a55;--state-9:#f06292}
.plot svg image{filter:brightness(1.5)}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:860px;margin:0 auto;padding:48px 20px 64px}
h1{font-size:1.95rem;line-height:1.2;margin:0 0 .4rem;letter-spacing:-.015em;text-wrap:balance}
h2{font-size:1.12rem;margin:0 0 .6rem;letter-spacing:-.005em}
p{margin:0}
.kicker{color:var(--mark);font-size:.8rem;font-weight:650;letter-spacing:.09em;text-transform:uppercase;margin-bottom:.4rem}
.lead{color:var(--quiet);font-size:1.06rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(168px,1fr));gap:12px;margin:26px 0}
.card,figure,main>section:not(.cards){background:var(--paper);border:1px solid var(--line);border-radius:12px}
.card{padding:14px 16px}
.card .name{color:var(--quiet);font-size:.84rem}
.card .value{font-size:1.72rem;font-weight:640;line-height:1.25;
font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.card .unit{font-size:.95rem;font-weight:500;color:var(--quiet);letter-spacing:0}
.card .detail{color:var(--quiet);font-size:.82rem;line-height:1.4}
figure,main>section:not(.cards){margin:0 0 18px;padding:20px 22px}
.plot{overflow-x:auto}
.plot svg{min-width:540px;display:block;width:100%;height:auto;color:var(--ink)}
.plot svg text{font-family:inherit!important}
figcaption{color:var(--quiet);font-size:.88rem;margin-top:.6rem}
.notes{background:var(--note);border:1px solid var(--note-line);border-radius:12px;padding:12px 18px;
margin-top:22px}
.notes ul{margin:.3rem 0 0;padding-left:1.2rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--line)}
tr:last-child>*{border-bottom:0}
th{font-weight:600}
.plain th{color:var(--quiet);font-weight:500;white-space:nowrap;width:1%}
.plain td{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
.digest{color:var(--quiet);font-size:.82rem;margin-top:.6rem;overflow-wrap:anywhere}
pre{margin:0;overflow-x:auto;font:.86rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media print{:root{--state-0:#0072b2;--state-1:#d55e00;
--page:#fff;--paper:#fff;--ink:#000;--quiet:#444;--line:#ccc}main{max-width:none;padding:0}
figure,.card,section{break-inside:avoid}body{font-size:11pt}}
"""
