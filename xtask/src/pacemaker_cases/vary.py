"""vary.py CASES DIRECTORY NUMBER SEED: writes that many small changes of cases, each with what crm_simulate makes of it.

Only of cases of which the installed release says what is expected: what releases answer differently drops out."""
import concurrent.futures, json, os, random, shutil, sys
import xml.etree.ElementTree as ET

import mutate, oracle

# A change may have no effect on what is compared, or none that the tool takes; so many are tried for each that is written.
TRIES = 6


def read(cases, case):
    return ET.parse(os.path.join(cases, "xml", case["case"] + ".xml")).getroot()


def reproduces(cases, case):
    """The case's CIB, if the tool still says what is expected."""
    try:
        root = read(cases, case)
        return root if oracle.agree(case, oracle.outcome(root, case["args"])) else None
    except (oracle.Refused, ET.ParseError):
        return None


def varied(case, root, number, seed):
    """One change that the tool takes."""
    chance = random.Random(f"{seed} {number}")
    for _ in range(TRIES):
        other, said = mutate.mutated(root, chance)
        if not said:
            continue
        try:
            answer = oracle.outcome(other, case["args"])
        except oracle.Refused:
            continue
        return other, {**case, "case": f"{case['case']}~{number}", "desc": "; ".join(said), "planned": [], **answer}
    return None


def main(cases, directory, count, seed):
    if shutil.which(oracle.TOOL) is None:
        sys.exit(f"{oracle.TOOL} is not installed: on Debian it is in the package pacemaker-cli-utils")
    with open(os.path.join(cases, "expected.json")) as file:
        known = json.load(file)
    os.makedirs(os.path.join(directory, "xml"), exist_ok=True)
    written = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        roots = list(pool.map(lambda case: reproduces(cases, case), known))
        same = [(case, root) for case, root in zip(known, roots) if root is not None]
        # Evenly over the cases, in an order of the seed's own.
        order = [ix for turn in range(count // len(same) + 1) for ix in random.Random(f"{seed} turn {turn}").sample(range(len(same)), len(same))]
        jobs = [(*same[ix], number, seed) for number, ix in enumerate(order[:count])]
        for found in pool.map(lambda job: varied(*job), jobs):
            if found:
                root, case = found
                ET.ElementTree(root).write(os.path.join(directory, "xml", case["case"] + ".xml"))
                written.append(case)
    with open(os.path.join(directory, "expected.json"), "w") as file:
        json.dump(written, file)
    print(f"{len(written)} changes of {len(same)} cases of {len(known)}; of the others the installed release says something else")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
