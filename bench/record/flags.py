"""What each flag means. The harness raises them; boards and the page explain them from this one table."""

from __future__ import annotations

from typing import NamedTuple


class FlagDoc(NamedTuple):
    """One flag in plain words."""

    title: str
    raised_when: str
    meaning: str
    action: str


FLAGS: dict[str, FlagDoc] = {
    "F1": FlagDoc(
        "Attack below its floor",
        "On the same system the attack does worse, by more than the interval, than a training-free floor (mean face, "
        "nearest public face, linear ridge) that needs no more knowledge, access or pairs than it.",
        "The attack is broken or under-trained, so its low numbers on a defense say nothing about that defense.",
        "Train longer, check colour order and value range of its input, and do not quote its rows until it beats the "
        "floor.",
    ),
    "F2": FlagDoc(
        "Black box beats white box",
        "The black-box form of an attack beats its white-box form by more than the interval.",
        "More access should never hurt: the gradients are masked by the defense, or the white-box attack is wired "
        "wrongly.",
        "Trust the stronger number, and check the gradient path before claiming that the defense resists white-box "
        "attacks.",
    ),
    "F3": FlagDoc(
        "Too few draws",
        "The leak is randomized, and was judged on a single draw, or one of its draws gives another success rate than "
        "the rest by more than chance (exact sign-flip test over victims, p below 0.001).",
        "A draw may be lucky or unlucky for all victims at once, which no interval over victims shows.",
        "Raise `protocol.draws`, and train adaptive attacks on fresh draws (expectation over transformations).",
    ),
    "F4": FlagDoc(
        "No gradient",
        "A white-box attack got zero or undefined (NaN) gradients through the defense.",
        "The attack was blind. Its low success is not evidence that the defense is safe.",
        "Use a smooth stand-in for the step without gradient, or read the black-box rows instead.",
    ),
    "F5": FlagDoc(
        "No independent judge",
        "The only judge of this row is the recognizer that was attacked.",
        "A picture can fool the network it was made against and still look like nobody to another network.",
        "Add a second recognizer of another architecture and training to the track, and do not compare with judged "
        "rows.",
    ),
    "F6": FlagDoc(
        "Thin threshold",
        "The acceptance threshold rests on false accepts of fewer than 30 pairs of people among the calibration pairs "
        "(of fewer than 10 it is refused).",
        "The false match rate that was really reached can be several times off the nominal one.",
        "Use more calibration identities, or read the row at a higher false match rate (FMR).",
    ),
    "F7": FlagDoc(
        "Utility collapse",
        "The defended system verifies people worse than the stated bound, and was trained out (else F17).",
        "Privacy was bought by breaking recognition: deleting the template would do the same.",
        "Lower the strength of the defense; the row is shown but never ranked.",
    ),
    "F8": FlagDoc(
        "Same picture for everybody",
        "The reconstructions of different victims are nearly identical (mode collapse).",
        "The attack ignores the leak. Its pixel scores may still look fine, because all aligned faces are alike.",
        "Look at the picture grid; lower the learning rate or the weight of the pixel loss; ignore PSNR and SSIM here.",
    ),
    "F9": FlagDoc(
        "Picture used twice",
        "A photograph that leaked stands among the victims' other photographs too, under another name. (One picture in "
        "two splits stops the run.)",
        "The other photograph is then the very one, so Type-II success and ranks are too high.",
        "Remove the copies; duplicates are common in web-scraped sets.",
    ),
    "F10": FlagDoc(
        "Recognizer differs from its known answer",
        "On its known-answer check the recognizer did not give the published or stored values.",
        "Weights, preprocessing or colour order are not those of the named recognizer; every row that uses it is in "
        "doubt.",
        "Check the sha256 of the weights and the alignment, input size and colour order that they expect.",
    ),
    "F11": FlagDoc(
        "Faces not found",
        "Detection or alignment failed on at least one picture.",
        "A failed picture counts as a failure of the attack, so success may be under-stated.",
        "See how many failed; if it is more than a few, give aligned crops.",
    ),
    "F12": FlagDoc(
        "Pixels not aligned",
        "PSNR, SSIM or LPIPS were computed on pictures whose geometry does not match the original.",
        "A shifted face scores worse than a grey square, so the pixel scores of this row mean little.",
        "Read the judged columns (SAR, rank-1) instead.",
    ),
    "F13": FlagDoc(
        "Metrics disagree",
        "Pixel quality is low but the judge accepts the picture, or the other way round.",
        "The attack recovers who it is without how the photo looked, or the look without the person. Both are real "
        "findings.",
        "Quote both numbers; for privacy the judged ones decide.",
    ),
    "F15": FlagDoc(
        "Not saturated",
        "The track runs the attack at several budgets (pairs, queries or steps), and the largest still gains more than "
        "the interval of the one before it.",
        "A longer run would be stronger, so this row is a lower bound on what leaks.",
        "Raise the budget until the curve is flat before calling a defense safe.",
    ),
    "F16": FlagDoc(
        "Training did not help",
        "What an inversion network learnt made pictures of held-out public people less alike, by the measure that the "
        "adversary has, or cost more than 2 % of their pixel error, however little of it was kept.",
        "The row is that of the linear start: as strong as linear algebra, no stronger.",
        "Give it more steps or pairs, or a lower learning rate, before concluding that there is nothing to learn.",
    ),
    "F17": FlagDoc(
        "Not trained out",
        "A network of the defense was shown its training pictures fewer times than the protocol asks for "
        "(`least_epochs`), or its loss was still falling when its budget ended.",
        "There is no verdict: accuracy would rise with more training, and what leaks may rise with it. It takes the "
        "place of F7, and the row is shown but never ranked.",
        "Give the defense more steps (or pictures) until its curve in the cell's page is flat.",
    ),
    "F18": FlagDoc(
        "Too good to be true",
        "On a defended system and without its secrets a recovery has a cosine of 1 to the leaked photograph or exactly "
        "a ceiling's cosine; or the oblivious adversary (K0) beats the adaptive one (K1) of the same attack by more "
        "than both intervals; or people come first by templates that say nothing without their key (`biohash`, "
        "`iom-hash`, `mlp-hash`), without it, more often than by others' recoveries (sign-flip p below 0.001).",
        "The attack has more than it was granted (the key, the photograph), the defense undoes itself, or the adaptive "
        "attack is under-trained.",
        "Read the attack's code before quoting the row, run it again with a fresh secret root, and train the adaptive "
        "attack longer.",
    ),
    "F19": FlagDoc(
        "Not isolated",
        "The attack ran, or the defense learnt, in the harness's own process: `FACELEAK_IN_PROCESS=1`, a class without "
        "a file of its own, or a network that cannot be copied into another process.",
        "Nothing but good manners kept it from victims, judges and what its threat model does not grant.",
        "For rows that others shall believe, put the class into a plug-in file and run without that setting.",
    ),
}


def markdown() -> str:
    """The page ``docs/flags.md``; ``python -m faceleak.bench.record.flags > docs/flags.md`` writes it."""
    parts = [
        "# Flags",
        "A flag marks a row that looks broken. It hides nothing; boards carry it in the column `flags`.",
    ]
    for name, flag in FLAGS.items():
        parts += [
            f"## {name}: {flag.title}",
            f"* **Raised when** {flag.raised_when}\n* **Means** {flag.meaning}\n* **Do** {flag.action}",
        ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
