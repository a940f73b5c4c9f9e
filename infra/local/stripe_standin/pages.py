"""The pages a human looks at: all invoices, one invoice with its pay buttons, and its PDF."""

from datetime import UTC, datetime
from html import escape

from infra.local.stripe_standin.currencies import shown
from infra.local.stripe_standin.world import Json, World

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1a1f36;background:#fff}
table{border-collapse:collapse;width:100%}td,th{padding:.5rem .75rem;border-bottom:1px solid #d8dee4;text-align:left}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}a{color:#3d38b8}.quiet{color:#596171}
button{font:inherit;padding:.5rem 1.25rem;border:1px solid #3d38b8;border-radius:.4rem;background:#3d38b8;color:#fff;
cursor:pointer;margin-right:.5rem}button.second{background:#fff;color:#3d38b8}form{display:inline}
.status{border-radius:1rem;padding:.1rem .6rem;background:#e3e8ee}.paid{background:#d7f7c2}.open{background:#cfe3ff}
.notice{padding:.6rem 1rem;background:#fff4d6;border-left:4px solid #b45309}
"""


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><main>{body}<p class="quiet">Tollbooth\'s stand-in for Stripe. No money moves here.</p></main></body>'
        "</html>"
    )


def _date(at: int | None) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%-d %B %Y") if at is not None else ""


def _status(invoice: Json) -> str:
    return f'<span class="status {escape(invoice["status"])}">{escape(invoice["status"])}</span>'


def invoice_list(world: World) -> str:
    rows = "".join(
        f'<tr><td><a href="/invoices/{escape(each["id"])}">{escape(each["number"] or "draft")}</a></td>'
        f"<td>{escape(each['customer_name'] or each['customer'])}</td>"
        f"<td>{_status(each)}</td><td>{_date(each['created'])}</td>"
        f'<td class="n">{escape(shown(each["total"], each["currency"]))}</td></tr>'
        for each in reversed(world.invoices.values())
    )
    table = (
        "<table><thead><tr><th>Number</th><th>Customer</th><th>Status</th><th>Created</th>"
        f'<th class="n">Total</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    return _page("Invoices", f"<h1>Invoices</h1>{table if rows else '<p>None yet.</p>'}")


def invoice(world: World, found: Json, notice: str = "") -> str:
    currency = found["currency"]
    rows = "".join(
        f"<tr><td>{escape(line['description'] or '')}<br>"
        f'<span class="quiet">{_date(line["period"]["start"])} to {_date(line["period"]["end"])}</span></td>'
        f'<td class="n">{escape(shown(line["amount"], currency))}</td></tr>'
        for line in world.lines[found["id"]]
    )
    pay = ""
    if found["status"] in ("open", "uncollectible"):
        here = f"/invoices/{escape(found['id'])}"
        amount = escape(shown(found["amount_remaining"], currency))
        pay = (
            f'<div><form method="post" action="{here}/pay"><button>Pay {amount}</button></form>'
            f'<form method="post" action="{here}/decline">'
            '<button class="second">Pay with a declined card</button></form></div>'
        )
    due = f"Due {_date(found['due_date'])}. " if found["due_date"] else ""
    references = "".join(f"{escape(each['name'])}: {escape(each['value'])}. " for each in found["custom_fields"] or [])
    total = escape(shown(found["total"], currency))
    body = (
        f'<p><a href="/invoices">All invoices</a></p>{notice}'
        f"<h1>Invoice {escape(found['number'] or '(draft)')} {_status(found)}</h1>"
        f"<p>{escape(found['customer_name'] or '')} {escape(found['customer_email'] or '')}<br>"
        f'<span class="quiet">{due}{references}</span></p>'
        f'<table><tbody>{rows}<tr><th>Total</th><th class="n">{total}</th></tr>'
        f'<tr><td>Amount paid</td><td class="n">{escape(shown(found["amount_paid"], currency))}</td></tr>'
        f'<tr><td>Amount remaining</td><td class="n">{escape(shown(found["amount_remaining"], currency))}</td></tr>'
        f"</tbody></table>{pay}"
    )
    return _page(f"Invoice {found['number'] or found['id']}", body)


def declined_notice() -> str:
    return '<p class="notice" role="alert">The card was declined. The invoice stays open.</p>'


def missing() -> str:
    return _page("Not found", '<h1>Not found</h1><p><a href="/invoices">All invoices</a></p>')


def pdf(world: World, found: Json) -> bytes:
    """One plain page: number, customer, lines, total."""
    currency = found["currency"]
    lines = [
        f"Invoice {found['number'] or '(draft)'}",
        f"{found['customer_name'] or ''}  -  {found['status']}",
        "",
        *(f"{line['description'] or ''}   {shown(line['amount'], currency)}" for line in world.lines[found["id"]]),
        "",
        f"Total {shown(found['total'], currency)}",
    ]
    safe = [line.encode("latin-1", "replace").decode("latin-1") for line in lines]
    escaped = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in safe]
    text = "BT /F1 11 Tf 14 TL 60 780 Td " + " ".join(f"({line}) Tj T*" for line in escaped) + " ET"
    stream = text.encode("latin-1")
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + (
        b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (table, len(out))
    )
