from collections import Counter

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# 03.leak


def split(n, fold):
    inside = np.isin(np.arange(n), fold)
    return ~inside, inside


def solve(Z, t, lam):
    return np.linalg.solve(Z.T @ Z / len(Z) + lam * np.eye(Z.shape[1]), Z.T @ t / len(Z))


def leak_in_numpy(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        mean, scale, intercept = X[train].mean(axis=0), X[train].std(axis=0), y[train].mean()
        w = solve((X[train] - mean) / scale, y[train] - intercept, lam)
        errors.append(np.mean((y[new] - intercept - (X[new] - mean) / scale @ w) ** 2))
    return errors


def leak_by_sklearn(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        model = make_pipeline(StandardScaler(), Ridge(alpha=lam * train.sum()))
        prediction = model.fit(X[train], y[train]).predict(X[new])
        errors.append(((y[new] - prediction) ** 2).mean())
    return np.array(errors)


def leak_left_as_it_was(X, y, lam, folds):
    Z, t = (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        errors.append(np.mean((t[new] - Z[new] @ solve(Z[train], t[train], lam)) ** 2))
    return errors


def leak_with_scaler_outside(X, y, lam, folds):
    Z = StandardScaler().fit_transform(X)
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        intercept = y[train].mean()
        w = solve(Z[train], y[train] - intercept, lam)
        errors.append(np.mean((y[new] - intercept - Z[new] @ w) ** 2))
    return errors


def leak_with_mean_outside(X, y, lam, folds):
    t = y - y.mean()
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        scaler = StandardScaler().fit(X[train])
        w = solve(scaler.transform(X[train]), t[train], lam)
        errors.append(np.mean((t[new] - scaler.transform(X[new]) @ w) ** 2))
    return errors


def leak_with_two_scalers(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        inputs = StandardScaler().fit_transform(X[train])
        new_inputs = StandardScaler().fit_transform(X[new])
        model = Ridge(alpha=lam * train.sum()).fit(inputs, y[train])
        errors.append(np.mean((y[new] - model.predict(new_inputs)) ** 2))
    return errors


def leak_with_two_means(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        scaler = StandardScaler().fit(X[train])
        w = solve(scaler.transform(X[train]), y[train] - y[train].mean(), lam)
        errors.append(np.mean((y[new] - y[new].mean() - scaler.transform(X[new]) @ w) ** 2))
    return errors


def leak_without_intercept(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        scaler = StandardScaler().fit(X[train])
        w = solve(scaler.transform(X[train]), y[train] - y[train].mean(), lam)
        errors.append(np.mean((y[new] - scaler.transform(X[new]) @ w) ** 2))
    return errors


def leak_on_training_rows(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, _ = split(len(y), fold)
        model = make_pipeline(StandardScaler(), Ridge(alpha=lam * train.sum()))
        model.fit(X[train], y[train])
        errors.append(np.mean((y[train] - model.predict(X[train])) ** 2))
    return errors


def leak_fitted_to_all_rows(X, y, lam, folds):
    model = make_pipeline(StandardScaler(), Ridge(alpha=lam * len(y))).fit(X, y)
    return [np.mean((y[fold] - model.predict(X[fold])) ** 2) for fold in folds]


def leak_with_swapped_roles(X, y, lam, folds):
    errors = []
    for fold in folds:
        model = make_pipeline(StandardScaler(), Ridge(alpha=lam * len(fold)))
        model.fit(X[fold], y[fold])
        others = np.setdiff1d(np.arange(len(y)), fold)
        errors.append(np.mean((y[others] - model.predict(X[others])) ** 2))
    return errors


def leak_with_other_divisor(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        mean, scale = X[train].mean(axis=0), X[train].std(axis=0, ddof=1)
        model = Ridge(alpha=lam * train.sum()).fit((X[train] - mean) / scale, y[train])
        errors.append(np.mean((y[new] - model.predict((X[new] - mean) / scale)) ** 2))
    return errors


def leak_with_alpha(alpha):
    def fold_errors(X, y, lam, folds):
        errors = []
        for fold in folds:
            train, new = split(len(y), fold)
            model = make_pipeline(StandardScaler(), Ridge(alpha=alpha(lam, train.sum(), len(y))))
            model.fit(X[train], y[train])
            errors.append(np.mean((y[new] - model.predict(X[new])) ** 2))
        return errors

    return fold_errors


def leak_averaged(X, y, lam, folds):
    return sum(leak_in_numpy(X, y, lam, folds)) / len(folds)


def leak_measured_by(measure):
    def fold_errors(X, y, lam, folds):
        errors = []
        for fold in folds:
            train, new = split(len(y), fold)
            model = make_pipeline(StandardScaler(), Ridge(alpha=lam * train.sum()))
            model.fit(X[train], y[train])
            errors.append(measure(y[new] - model.predict(X[new])))
        return errors

    return fold_errors


def leak_returning_in_the_loop(X, y, lam, folds):
    errors = []
    for fold in folds:
        train, new = split(len(y), fold)
        model = make_pipeline(StandardScaler(), Ridge(alpha=lam * train.sum()))
        model.fit(X[train], y[train])
        errors.append(np.mean((y[new] - model.predict(X[new])) ** 2))
        return errors


def leak_in_single_precision(X, y, lam, folds):
    return leak_in_numpy(X.astype(np.float32), y.astype(np.float32), np.float32(lam), folds)


# 03.stability


def agreement_by_counting(errors):
    choices = []
    for repeat in errors:
        means = [np.mean(row) for row in repeat]
        best = int(np.argmin(means))
        limit = means[best] + np.std(repeat[best], ddof=1) / np.sqrt(len(repeat[best]))
        choices.append(next(i for i, mean in enumerate(means) if mean <= limit))
    return Counter(choices).most_common(1)[0][1] / len(choices)


def agreement_at_once(errors):
    n_repeats, n_lams, n_folds = errors.shape
    mean = errors.mean(axis=2)
    variance = ((errors - mean[:, :, None]) ** 2).sum(axis=2) / (n_folds - 1)
    repeats, best = np.arange(n_repeats), mean.argmin(axis=1)
    limit = mean[repeats, best] + np.sqrt(variance[repeats, best] / n_folds)
    largest = np.where(mean <= limit[:, None], np.arange(n_lams), n_lams).min(axis=1)
    return np.unique(largest, return_counts=True)[1].max() / n_repeats


def most_frequent(choices):
    return max(choices.count(choice) for choice in choices) / len(choices)


def one_choice(repeat, width, pick=min):
    """Choose within a limit that is so much above the best mean, given the errors there."""
    mean = repeat.mean(axis=1)
    best = mean.argmin()
    return int(pick(np.flatnonzero(mean <= mean[best] + width(repeat[best]))))


def standard_error(errors):
    return np.std(errors, ddof=1) / len(errors) ** 0.5


def agreement_of_minima(errors):
    return most_frequent([int(repeat.mean(axis=1).argmin()) for repeat in errors])


def agreement_with(width, pick=min):
    return lambda errors: most_frequent([one_choice(repeat, width, pick) for repeat in errors])


def agreement_with_own_bands(errors):
    choices = []
    for repeat in errors:
        mean, band = repeat.mean(axis=1), [standard_error(row) for row in repeat]
        choices.append(int(np.argmax(mean <= mean.min() + np.array(band))))
    return most_frequent(choices)


def agreement_of_swapped_axes(errors):
    return most_frequent([one_choice(repeat.T, standard_error) for repeat in errors])


def agreement_with_the_average(errors):
    average = one_choice(sum(errors) / len(errors), standard_error)
    return np.mean([one_choice(repeat, standard_error) == average for repeat in errors])


def agreement_on_the_average(errors):
    return most_frequent([one_choice(errors.mean(axis=0), standard_error) for _ in errors])


def agreement_walking_from_the_best(errors):
    choices = []
    for repeat in errors:
        mean = repeat.mean(axis=1)
        choice = best = int(mean.argmin())
        while choice > 0 and mean[choice - 1] <= mean[best] + standard_error(repeat[best]):
            choice -= 1
        choices.append(choice)
    return most_frequent(choices)


def agreement_with_the_first(errors):
    choices = [one_choice(repeat, standard_error) for repeat in errors]
    return choices.count(choices[0]) / len(choices)


def agreement_below_the_limit(errors):
    choices = []
    for repeat in errors:
        mean = repeat.mean(axis=1)
        best = mean.argmin()
        choices.append(int(np.argmax(mean < mean[best] + standard_error(repeat[best]))))
    return most_frequent(choices)


def agreement_counted(errors):
    return round(agreement_by_counting(errors) * len(errors))


# 03.kink


def kink_by_formulas(gram, xy, lam, w):
    A, others = np.flatnonzero(w), np.flatnonzero(w == 0)
    u = np.linalg.solve(gram[np.ix_(A, A)], np.sign(w[A]))
    best = lam
    for j, move in zip(A, u, strict=True):
        if w[j] * move < 0:
            best = min(best, -w[j] / move)
    for j in others:
        c, a = xy[j] - gram[j, A] @ w[A], gram[j, A] @ u
        for time in ((lam - c) / (1 - a), (lam + c) / (1 + a)):
            if time > 0:
                best = min(best, time)
    return lam - best


def kink_by_bisection(gram, xy, lam, w):
    """The line is a solution up to the kink and not beyond it."""
    A = w != 0
    signs = np.sign(w[A])

    def is_solution(smaller):
        there = np.zeros(len(w))
        there[A] = np.linalg.solve(gram[A][:, A], xy[A] - smaller * signs)
        c = xy - gram @ there
        return (np.sign(there[A]) == signs).all() and (np.abs(c[~A]) <= smaller).all()

    low, high = 0.0, lam
    if is_solution(1e-13):
        return 0.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if is_solution(middle) else (middle, high)
    return high


def kink_in_single_precision(gram, xy, lam, w):
    single = (np.float32(part) for part in (gram, xy, lam, w))
    return kink_by_formulas(*single)


def kink_that(
    *,
    leaves=lambda w, u: -w / u,
    above=lambda lam, c, a: (lam - c) / (1 - a),
    below=lambda lam, c, a: (lam + c) / (1 + a),
    way=np.linalg.solve,
    pick=lambda times, lam: min([time for time in times if time > 0], default=lam),
    give=lambda lam, time: max(lam - time, 0),
    others=slice(None),
):
    def kink(gram, xy, lam, w):
        A = w != 0
        u = way(gram[A][:, A], np.sign(w[A]))
        c, a = (xy - gram @ w)[~A][others], gram[~A][others][:, A] @ u
        times = [
            f for f in (leaves and leaves(w[A], u), above and above(lam, c, a)) if f is not None
        ]
        times += [below(lam, c, a)] if below else []
        return give(lam, pick(np.concatenate(times), lam))

    return kink


RIGHT = {
    "03.leak": [leak_in_numpy, leak_by_sklearn, leak_in_single_precision],
    "03.stability": [agreement_by_counting, agreement_at_once],
    "03.kink": [kink_by_formulas, kink_by_bisection, kink_in_single_precision],
}

WRONG = {
    "03.leak": {
        "nothing repaired": leak_left_as_it_was,
        "scaling from all rows": leak_with_scaler_outside,
        "mean of y from all rows": leak_with_mean_outside,
        "fold scaled by itself": leak_with_two_scalers,
        "targets of the fold centred by themselves": leak_with_two_means,
        "intercept forgotten": leak_without_intercept,
        "error on the training rows": leak_on_training_rows,
        "fitted to all rows": leak_fitted_to_all_rows,
        "roles swapped": leak_with_swapped_roles,
        "divisor n - 1": leak_with_other_divisor,
        "lam taken for alpha": leak_with_alpha(lambda lam, n_train, n: lam),
        "lam times n": leak_with_alpha(lambda lam, n_train, n: lam * n_train**2),
        "n of all rows": leak_with_alpha(lambda lam, n_train, n: lam * n),
        "sum over rows": leak_measured_by(lambda residual: np.sum(residual**2)),
        "root taken": leak_measured_by(lambda residual: np.sqrt(np.mean(residual**2))),
        "halved": leak_measured_by(lambda residual: 0.5 * np.mean(residual**2)),
        "first fold only": leak_returning_in_the_loop,
        "averaged": leak_averaged,
    },
    "03.stability": {
        "minimum": agreement_of_minima,
        "standard deviation": agreement_with(lambda errors: np.std(errors, ddof=1)),
        "divisor K": agreement_with(lambda errors: np.std(errors) / len(errors) ** 0.5),
        "weakest penalty": agreement_with(standard_error, pick=max),
        "a band for each lam": agreement_with_own_bands,
        "axes swapped": agreement_of_swapped_axes,
        "variance": agreement_with(lambda errors: np.var(errors, ddof=1) / len(errors) ** 0.5),
        "repeats averaged": agreement_with_the_average,
        "always the same": agreement_on_the_average,
        "walks from the best": agreement_walking_from_the_best,
        "compared with the first": agreement_with_the_first,
        "count": agreement_counted,
        "limit excluded": agreement_below_the_limit,
    },
    "03.kink": {
        "way returned": kink_that(give=lambda lam, time: time),
        "nobody leaves": kink_that(leaves=None),
        "nobody joins": kink_that(above=None, below=None),
        "upper limit only": kink_that(below=None),
        "lower limit only": kink_that(above=None),
        "still limit": kink_that(
            above=lambda lam, c, a: (c - lam) / a, below=lambda lam, c, a: (c + lam) / a
        ),
        "still correlations": kink_that(
            above=lambda lam, c, a: lam - c, below=lambda lam, c, a: lam + c
        ),
        "sizes of correlations": kink_that(
            above=lambda lam, c, a: (lam - abs(c)) / (1 - a), below=None
        ),
        "nearer limit only": kink_that(
            above=lambda lam, c, a: (lam - abs(c)) / (1 - np.sign(c) * a), below=None
        ),
        "w over u": kink_that(leaves=lambda w, u: w / u),
        "below zero": kink_that(give=lambda lam, time: lam - time),
        "signs as the way": kink_that(way=lambda gram, signs: signs),
        "way turned round": kink_that(way=lambda gram, signs: -np.linalg.solve(gram, signs)),
        "the past counted": kink_that(pick=lambda times, lam: np.min(times)),
        "the last kink": kink_that(
            pick=lambda times, lam: max([time for time in times if time > 0], default=lam)
        ),
    },
}
