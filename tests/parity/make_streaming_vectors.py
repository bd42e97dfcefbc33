"""Writes the parity vectors of the streaming detectors: synthetic rows, and what river and rrcf make of them. README.md says how."""

import numpy as np

from make_vectors import clusters, write


def main():
    write("half_space_trees.json", half_space_trees(np.random.default_rng(20261128)), "river")
    write("robust_random_cut_forest.json", robust_random_cut_forest(np.random.default_rng(20261129)), "rrcf")


def half_space_trees(random):
    """River's trees whole, and what they say while rows pass: of each node the split and the masses of both windows."""
    rows = clusters(random, 230, 4, 12)
    rows = (rows - rows.min(axis=0)) / (rows.max(axis=0) - rows.min(axis=0))
    # A few beyond the ranges.
    queries = np.vstack([rows[::8], random.uniform(-0.3, 1.3, (30, 4))])
    cases = [half_space_case(rows, queries, *own) for own in ((4, 5, 60, 7), (3, 7, 25, 8), (2, 6, 300, 9))]
    return {"rows": rows.tolist(), "queries": queries.tolist(), "cases": cases}


def half_space_case(rows, queries, trees, height, window, seed):
    from river.anomaly import HalfSpaceTrees

    named = lambda row: {f"{index:02}": value for index, value in enumerate(row)}
    model = HalfSpaceTrees(n_trees=trees, height=height, window_size=window, seed=seed)
    stages = []
    for count, row in enumerate(rows, 1):
        model.learn_one(named(row))
        if count in (1, window, 2 * window + 5, len(rows)):
            every = [heap(tree) for tree in model.trees]
            stages.append(
                {
                    "rows": count,
                    # River says 0 until its first window is full.
                    "full": not model._first_window,
                    "scores": [model.score_one(named(query)) for query in queries],
                    "terminal": [sum(terminal(tree, query, model.size_limit) for tree in model.trees) for query in queries],
                    "reference": [[node.r_mass for node in nodes] for nodes in every],
                    "latest": [[node.l_mass for node in nodes] for nodes in every],
                }
            )
    inner = [[node for node in heap(tree) if hasattr(node, "feature")] for tree in model.trees]
    return {
        "trees": trees,
        "height": height,
        "window": window,
        "features": [[int(node.feature) for node in nodes] for nodes in inner],
        "thresholds": [[node.threshold for node in nodes] for nodes in inner],
        "stages": stages,
    }


def heap(root):
    """All nodes, level by level from the left."""
    nodes = [root]
    for node in nodes:
        nodes.extend(getattr(node, "children", ()))
    return nodes


def terminal(node, query, limit):
    """The paper's score of one tree: the mass of the node at which the walk ends, times two for each step."""
    factor = 1
    while node.r_mass >= limit and hasattr(node, "feature"):
        node = node.children[int(query[int(node.feature)] >= node.threshold)]
        factor *= 2
    return node.r_mass * factor


def robust_random_cut_forest(random):
    """What rrcf's collusive displacement of a row is, on average over many times of letting it in: into one tree, and into many."""
    rows = np.round(clusters(random, 60, 3, 4), 6)
    # Equal rows, of which some are queries as well.
    rows = np.vstack([rows, np.repeat(rows[:1], 5, 0), rows[1:3]])
    near = rows[5:60:5] + random.normal(size=(11, 3)) * 0.3
    queries = np.round(np.vstack([near, rows[:2], rows[10:12], random.uniform(-14, 14, (6, 3)), [[60, -40, 3], [0, 500, 0]]]), 6)
    return {
        "rows": rows.tolist(),
        "queries": queries.tolist(),
        "trees": [cut_tree(rows, queries, seed) for seed in (1, 2, 3)],
        "forest": cut_forest(rows, queries),
    }


def cut_tree(rows, queries, seed, times=3000):
    """One tree whole, and for each query the mean of its displacement and the standard error of that mean."""
    import rrcf

    tree = rrcf.RCTree(rows, random_state=seed)
    before = tree.to_dict()
    found = np.array([[let_in(tree, query) for _ in range(times)] for query in queries])
    assert tree.to_dict() == before
    return {"nodes": nodes(before), "means": found.mean(axis=1).tolist(), "errors": (found.std(axis=1) / times**0.5).tolist()}


def cut_forest(rows, queries, trees=2000):
    import rrcf

    found = np.empty((trees, len(queries)))
    for seed in range(trees):
        tree = rrcf.RCTree(rows, random_state=1000 + seed)
        found[seed] = [let_in(tree, query) for query in queries]
    return {"means": found.mean(axis=0).tolist(), "errors": (found.std(axis=0) / trees**0.5).tolist()}


def let_in(tree, query):
    tree.insert_point(query, index="new")
    displacement = tree.codisp("new")
    tree.forget_point("new")
    return float(displacement)


def nodes(node):
    """All nodes, each before those below it, left before right: a cut as feature and value, a leaf as one of its rows and how many it has."""
    if node["type"] == "Leaf":
        return [{"row": int(node["ixs"][0]), "mass": int(node["n"])}]
    return [{"feature": node["q"], "cut": node["p"]}, *nodes(node["l"]), *nodes(node["r"])]


if __name__ == "__main__":
    main()
