"""Bad input: broken images, headlines that are no text, bytes that are no request."""

import random
from collections import Counter

import grpc

from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc
from shared.processes import Running
from soaking.ads import Ads
from soaking.callers import RIGHT, connect, outcome_of, score
from soaking.rows import Row, tally

_HEADLINES = (
    "",
    " ",
    "\0",
    "x" * 100_000,
    "\u202e" * 50,
    "\U0001f600" * 400,
    "\ud7ff\ue000",
    "a\u0300" * 600,
)
# Anything else is the server's fault.
_EXPECTED = ("a score", "INVALID_ARGUMENT")


def bad_inputs(server: Running, ads: Ads, count: int) -> Row:
    """Mutated requests; each gets a score or is told which field is at fault."""
    mutate = random.Random(0)  # noqa: S311 - the same inputs at every run
    counts: Counter[str] = Counter()
    with connect(server.address) as channel:
        stub = scoring_pb2_grpc.ScoringServiceStub(channel)
        raw = channel.unary_unary("/adscore.v1.ScoringService/Score")
        for number in range(count):
            image = _broken(ads.ads[number % len(ads.ads)].image, mutate)
            headline = mutate.choice(_HEADLINES)
            creative = scoring_pb2.Creative(headline=headline, image=image)
            request = scoring_pb2.ScoreRequest(creative=creative)
            try:
                if number % 10:
                    stub.Score(request, timeout=30)
                else:
                    raw(_broken(request.SerializeToString(), mutate), timeout=30)
                counts["a score"] += 1
            except grpc.RpcError as error:
                counts[outcome_of(error)] += 1
        ad, creative = next(ads.fresh())
        after, _ = score(stub, ad, creative)
    passed = all(name.startswith(_EXPECTED) for name in counts) and after == RIGHT
    passed = passed and server.process.exit_code is None
    outcome = f"{tally(counts)}; afterwards {after}"
    return Row("bad input", f"{count:,} broken images, headlines, requests", outcome, passed)


def _broken(data: bytes, mutate: random.Random) -> bytes:
    """Cut off, overwritten, doubled or with bytes put in, at a place of its own."""
    place = mutate.randrange(max(len(data), 1))
    noise = mutate.randbytes(mutate.choice((1, 4, 64)))
    return mutate.choice(
        (
            data[:place],
            data[:place] + noise + data[place + len(noise) :],
            data[:place] + noise + data[place:],
            data[:place] + data[:place],
            data[:24] + noise + data[24 + len(noise) :],  # where formats say how large they are
        )
    )
