"""Stripe's currency rules as its documentation states them: digits, whole-unit rules and the smallest charge."""

from infra.local.stripe_standin.refusal import Refusal


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


ZERO_DECIMAL = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THREE_DECIMAL = _codes("bhd jod kwd omr tnd")
WHOLE_UNITS_OF_100 = _codes("isk ugx")
TWO_DECIMAL = _codes(
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny "
    "cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl hrk htg huf idr ils inr isk "
    "jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok "
    "npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try "
    "ttd twd tzs uah ugx uyu uzs wst xcd yer zar zmw"
)
SUPPORTED = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL

# docs.stripe.com/currencies, "Minimum and maximum charge amounts"; others have no published minimum here.
SMALLEST_CHARGE = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip


def supported(currency: str, param: str) -> str:
    if currency not in SUPPORTED:
        raise Refusal(400, f"Invalid currency: {currency}. Stripe supports lowercase ISO codes.", param=param)
    return currency


def chargeable(amount: int, currency: str, param: str) -> int:
    """The amount, if Stripe takes it in this currency."""
    if currency in THREE_DECIMAL and amount % 10:
        raise Refusal(400, f"Invalid amount: in {currency} the last of three decimals must be 0.", param=param)
    if currency in WHOLE_UNITS_OF_100 and amount % 100:
        raise Refusal(400, f"Invalid amount: {currency} has two decimals that must be 00.", param=param)
    return amount


def shown(amount: int, currency: str) -> str:
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    sign, amount = ("-" if amount < 0 else ""), abs(amount)
    whole, rest = divmod(amount, int(10**digits))
    text = f"{whole:,}" + (f".{rest:0{digits}d}" if digits else "")
    return f"{sign}{text} {currency.upper()}"
