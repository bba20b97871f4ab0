"""Metrics of the self-improvement loops l01–l04: pure functions of answers, counts and weights.

Nothing here reads a file. ``correct`` is checkpoints × items (K + 1) × I of right (1) and wrong
answers of one run, row 0 the base model; ``windows[k - 1]`` has the indices of the items trained
between checkpoints k - 1 and k; ``steps`` the K + 1 step numbers. What the data do not define is
``intervals.Undefined`` with its reason. Rates and differences are shares, never per cent.

rates        count_changes(base, now, items, step) -> StepCounts (.improvement(α), .forgetting(α),
             .net, .as_dict()); window_table, cumulative_table(correct, windows, steps),
             fixed_table(correct, items, steps) for the holdout
score        meta_learning(window_table, cumulative_table) -> MetaLearning (.registered,
             .alternatives by definition, .sign_agrees)
states       trajectories(correct) -> ['SSI', …]; transitions(trajectory);
             oscillation_rate(correct); stuck_count(correct, items); item_sets(item_ids, runs)
seeds        score_spread(scores); compare_seeds(right, n); cochran_q(seeds × items);
             fisher_p(right, n, right, n)
components   variance_components(values (levels of each factor × repeats), factors) -> Components
             (.sources['order'] with variance, lo, hi, f, p, reading);
             seed_power(seeds, repeats, ratio)
survival     learned_spans(item_ids, correct, steps) of each run, concatenated ->
             forgetting_half_life(spans) -> HalfLife (.median of one run, .bootstrap of pooled
             runs, .curve of kaplan_meier)
overlap      updates_between([(lora.factors(state), scale), …], start) -> overlap_rows(updates) ->
             [StepOverlap (.modules, .mean_cosine, .mean_abs_cosine)];
             spearman(overlap per run, forgetting per run) -> Relation
passes       pass_table((iteration, type, problem, correct) …, ks) -> [PassRow]
diversity    solution_diversity({problem: programs}) -> Diversity (.distinct, .distance);
             normalised_program(text)
changes      type_changes({type: cells before}, {type: cells now}) -> {type: TypeChange (.below,
             .change, .reading)}, worst_change(of them) as one estimand; generations_fixed(correct),
             generations_fresh(right, n) -> [Generation]; published_change(before, after, problems,
             samples); mover(first, second), the difference of two independent estimates
areas        weak_areas({area: outcomes}) -> {area: Area (.difference, .reading)}; area_counts
confidence   confidence_report(confidence, correct, items) -> Confidence (.calibration with ECE and
             Brier, .gap, .bins); published_confidence(mean, right, n), gap_change
learning     read_curves(steps, train, held_out, problems, weights) -> CurveReading (.reading:
             'grokking', 'evaluation only', 'plateau', …)
revisions    revision_quality([Revision(before, valid, correct, restated)]) -> RevisionQuality
style        style({part: {item: Answer}} at base, and now) -> Style (.reading 'collapsed', 'kept',
             'inconclusive'; .parts)

Already elsewhere: ``items`` (states, bare rates, grokking's definition), ``updates`` (cosine,
angles), ``calibration`` (ECE, Brier), ``rates.pass_at_k``, ``power``.
"""
