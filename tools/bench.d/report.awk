# The report of tools/bench: awk -f report.awk BARS SAMPLES [BEFORE.json], where
# -v form=table|json|markdown|chart says as what. Further variables: machine,
# kernel, cores, memory, database, commit, recorded, seconds, runs, users, many.
# All runs count: figures are medians, ratios are medians of the ratios of runs.

# The width of text in columns, for awks that count bytes.
function width(text) {
	gsub(/[\200-\277]/, "", text)
	return length(text)
}

function left(text, columns) {
	while (width(text) < columns)
		text = text " "
	return text
}

function right(text, columns) {
	while (width(text) < columns)
		text = " " text
	return text
}

# Sorts values[1..n]; sets median, low and high.
function summarize(values, n,    i, j, value) {
	for (i = 2; i <= n; i++) {
		value = values[i]
		for (j = i - 1; j > 0 && values[j] > value; j--)
			values[j + 1] = values[j]
		values[j + 1] = value
	}
	low = values[1]
	high = values[n]
	median = n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

# The median of SCENARIO.SERIES.KEY over all runs; n_values is how many there are.
function median_of(name,    run, values) {
	n_values = 0
	for (run = 1; run <= last_run; run++)
		if ((name, run) in sample)
			values[++n_values] = sample[name, run]
	if (n_values == 0)
		return ""
	summarize(values, n_values)
	return median
}

# Three digits that count, or all before the point.
function show(value,    size) {
	if (value == "")
		return "-"
	size = value < 0 ? -value : value
	return sprintf(size >= 100 ? "%.0f" : size >= 10 ? "%.1f" : "%.2f", value)
}

function percent(name) {
	return median_of(name) == "" ? "-" : sprintf("%.0f %%", median_of(name))
}

function holds(value, op, bar) {
	return op == ">=" ? value >= bar : value <= bar
}

# Requests that were answered with an error, in any run of what the row compares.
function errors_of(row,    name, run, sum, i, keys) {
	name = figure[row]
	sub(/[^.]*$/, "", name)
	split("errors other broken unanswered", keys, " ")
	for (i in keys)
		for (run = 1; run <= last_run; run++)
			sum += sample[name keys[i], run]
	return sum
}

# A bar with "cpu" is also met when there is no processor left and a request
# costs no more of it than before: then the machine, not the program, is the limit.
function bounded_by_cpu(row,    name, cost, before, idle) {
	name = figure[row]
	sub(/[^.]*$/, "", name)
	cost = median_of(name "cpu_us")
	idle = median_of(name "idle_pct")
	name = reference[row]
	sub(/[^.]*$/, "", name)
	before = median_of(name "cpu_us")
	growth[row] = before > 0 ? cost / before : 0
	return idle <= 10 && growth[row] > 0 && growth[row] <= 1.2
}

function judge(row,    verdict) {
	if (errors_of(row) > 0)
		return "FAILED: " errors_of(row) " requests with errors"
	if (holds(ratio[row], op[row], bar[row]))
		return "met"
	if (with_cpu[row] && bounded_by_cpu(row))
		return sprintf("met: no CPU left, %.2f x CPU a request", growth[row])
	return "MISSED"
}

function evaluate(row,    run, n, values, a, b) {
	n = 0
	for (run = 1; run <= last_run; run++) {
		if (!((figure[row], run) in sample))
			continue
		a = sample[figure[row], run]
		if (reference[row] != "-") {
			if (!((reference[row], run) in sample))
				continue
			b = sample[reference[row], run]
			a = b > 0 ? a / b : 0
		}
		values[++n] = a
	}
	if (n == 0)
		return 0
	summarize(values, n)
	ratio[row] = median
	ratio_low[row] = low
	ratio_high[row] = high
	value[row] = median_of(figure[row])
	base[row] = reference[row] == "-" ? "" : median_of(reference[row])
	verdict[row] = judge(row)
	return 1
}

# What the file before says of a row: its ratio, or nothing.
function change(row) {
	if (!(id[row] in before) || before[id[row]] == 0)
		return ""
	return sprintf("%+.0f %%", 100 * (ratio[row] / before[id[row]] - 1))
}

function bar_text(row) {
	return op[row] " " bar[row]
}

function report_table(    row, i, name, any) {
	for (row = 1; row <= rows; row++)
		any += measured[row]
	if (any)
		printf "\n%s %s %s %s %s %s  %s\n", left("scenario", 54), right("figure", 9),
			right("reference", 9), right("ratio (lowest-highest)", 23), right("bar", 8),
			right("before", 7), "verdict"
	for (row = 1; row <= rows; row++)
		if (measured[row])
			printf "%s %s %s %s %s %s  %s\n", left(what[row], 54), right(show(value[row]), 9),
				right(show(base[row]), 9),
				right(show(ratio[row]) " (" show(ratio_low[row]) "-" show(ratio_high[row]) ")", 23),
				right(bar_text(row), 8), right(change(row), 7), verdict[row]
	printf "\n%s %s %s %s   CPU us a request: %s %s %s   %s %s  peak MiB\n", left("load", 20),
		right("req/s", 9), right("p50 ms", 8), right("p99 ms", 8), "gatewayd", "accountd", "database",
		right("idle", 6), right("other", 7)
	for (i = 1; i <= series_count; i++) {
		name = series[i]
		if (median_of(name ".rps") == "")
			continue
		printf "%s %s %s %s   %s %s %s   %s %s  %s\n", left(name, 20), right(show(median_of(name ".rps")), 9),
			right(show(median_of(name ".p50_ms")), 8), right(show(median_of(name ".p99_ms")), 8),
			right(show(median_of(name ".cpu_gatewayd_us")), 26), right(show(median_of(name ".cpu_accountd_us")), 8),
			right(show(median_of(name ".cpu_database_us")), 8), right(percent(name ".idle_pct"), 7), right(percent(name ".other_pct"), 7),
			show(median_of(name ".rss_gatewayd_mib")) " + " show(median_of(name ".rss_accountd_mib"))
	}
	printf "\n%s, %d cores, %d MiB, Linux %s, %s\n", machine, cores, memory, kernel, database
	printf "medians of %d runs of %d s, all of which count; %d users; commit %s\n", runs, seconds, users, commit
	printf "other: CPU that other programs took, %s in the median; with more than a few %% all is noise\n\n",
		taken_by_others()
}

# The median of all samples.
function taken_by_others(    i, run, n, values) {
	for (i = 1; i <= series_count; i++)
		for (run = 1; run <= last_run; run++)
			if ((series[i] ".other_pct", run) in sample)
				values[++n] = sample[series[i] ".other_pct", run]
	if (n == 0)
		return "0 %"
	summarize(values, n)
	return sprintf("%.0f %%", median)
}

function report_markdown(    row) {
	printf "| scenario | figure | reference | ratio (lowest–highest) | bar | verdict |\n|---|---|---|---|---|---|\n"
	for (row = 1; row <= rows; row++)
		if (measured[row])
			printf "| %s | %s %s | %s | %s (%s–%s) | %s | %s |\n", what[row], show(value[row]), unit[row],
				base[row] == "" ? "" : show(base[row]) " " unit[row], show(ratio[row]), show(ratio_low[row]),
				show(ratio_high[row]), bar_text(row), verdict[row]
	printf "\nOn %s, %d cores, %d MiB, Linux %s, %s, together with the load generator; ", machine, cores,
		memory, kernel, database
	printf "medians of %d runs of %d s, %d users, commit %s, %s. Other programs took %s of the CPU meanwhile.\n",
		runs, seconds, users, commit, recorded, taken_by_others()
}

function quote(text) {
	gsub(/[\\"]/, "\\\\&", text)
	return "\"" text "\""
}

function number(value) {
	return value == "" ? "null" : value + 0
}

function report_json(    row, i, run, line, comma) {
	printf "{\n\"recorded\":%s,\n\"commit\":%s,\n", quote(recorded), quote(commit)
	printf "\"machine\":{\"processor\":%s,\"cores\":%d,\"memory_mib\":%d,\"kernel\":%s,\"database\":%s},\n",
		quote(machine), cores, memory, quote(kernel), quote(database)
	printf "\"settings\":{\"seconds\":%d,\"runs\":%d,\"users\":%d,\"many\":%d},\n\"bars\":[", seconds, runs, users, many
	for (row = 1; row <= rows; row++) {
		if (!measured[row])
			continue
		printf "%s\n{\"id\":%s,\"what\":%s,\"unit\":%s,\"figure\":%s,\"reference\":%s,", comma, quote(id[row]),
			quote(what[row]), quote(unit[row]), number(value[row]), number(base[row])
		printf "\"ratio\":%s,\"lowest\":%s,\"highest\":%s,\"bar\":%s,\"verdict\":%s}", number(ratio[row]),
			number(ratio_low[row]), number(ratio_high[row]), quote(bar_text(row)), quote(verdict[row])
		comma = ","
	}
	printf "\n],\n\"samples\":["
	for (i = 1; i <= lines; i++)
		printf "%s\n%s", (i > 1 ? "," : ""), sample_json[i]
	printf "\n]\n}\n"
}

# A row of the chart: how many times better than its bar, on a logarithmic scale
# from a quarter to sixteen times.
function chart_x(times) {
	times = times < 0.25 ? 0.25 : times > 16 ? 16 : times
	return 370 + log(times / 0.25) / log(64) * 360
}

function chart_times(row, value) {
	if (value <= 0 || bar[row] == 0)
		return op[row] == ">=" ? 0.25 : 16
	return op[row] == ">=" ? value / bar[row] : bar[row] / value
}

function escape(text) {
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}

function chart_row(row, y,    x, from, color) {
	x = chart_x(chart_times(row, ratio[row]))
	from = chart_x(0.25)
	color = verdict[row] ~ /^met/ ? "#2a7f62" : "#b5452c"
	printf "<text x=\"360\" y=\"%d\" text-anchor=\"end\">%s</text>\n", y + 13, escape(what[row])
	printf "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"16\" fill=\"%s\"/>\n", from, y, x - from, color
	printf "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#111\" stroke-width=\"2\"/>\n",
		chart_x(chart_times(row, ratio_low[row])), y + 8, chart_x(chart_times(row, ratio_high[row])), y + 8
	printf "<text x=\"745\" y=\"%d\">%s, bar %s</text>\n", y + 13, show(ratio[row]), escape(bar_text(row))
}

function report_chart(    row, y, n, i, tick) {
	for (row = 1; row <= rows; row++)
		n += measured[row]
	printf "<svg xmlns=\"http://www.%s.org/2000/svg\" viewBox=\"0 0 900 %d\" ", "w3", 70 + 24 * n
	printf "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
	printf "<text x=\"370\" y=\"18\" font-weight=\"bold\">how many times better than its bar</text>\n"
	split("0.25 0.5 1 2 4 8 16", tick, " ")
	for (i = 1; i <= 7; i++) {
		printf "<line x1=\"%.1f\" y1=\"40\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\"/>", chart_x(tick[i]),
			chart_x(tick[i]), 46 + 24 * n, tick[i] == 1 ? "#111" : "#ccc"
		printf "<text x=\"%.1f\" y=\"36\" text-anchor=\"middle\">%s</text>\n", chart_x(tick[i]), tick[i]
	}
	y = 48
	for (row = 1; row <= rows; row++)
		if (measured[row]) {
			chart_row(row, y)
			y += 24
		}
	printf "<text x=\"10\" y=\"%d\" fill=\"#555\">%s, %d cores, commit %s; medians of %d runs, black: lowest to highest</text>\n</svg>\n",
		y + 14, escape(machine), cores, commit, runs
}

FILENAME == ARGV[1] {
	if ($0 ~ /^#/ || $0 == "")
		next
	split($0, column, "|")
	rows++
	id[rows] = column[1]
	what[rows] = column[2]
	figure[rows] = column[3]
	reference[rows] = column[4]
	unit[rows] = column[5]
	split(column[6], word, " ")
	op[rows] = word[1]
	bar[rows] = word[2] + 0
	with_cpu[rows] = word[3] == "cpu"
	next
}

FILENAME == ARGV[2] {
	name = $1 "." $2
	if (!(name in known)) {
		known[name] = 1
		series[++series_count] = name
	}
	if ($3 > last_run)
		last_run = $3
	line = "{\"scenario\":\"" $1 "\",\"series\":\"" $2 "\",\"run\":" $3
	for (i = 4; i <= NF; i++) {
		equals = index($i, "=")
		sample[name "." substr($i, 1, equals - 1), $3] = substr($i, equals + 1) + 0
		line = line ",\"" substr($i, 1, equals - 1) "\":" substr($i, equals + 1) + 0
	}
	sample_json[++lines] = line "}"
	next
}

/^\{"id":/ {
	split($0, part, "\"")
	at = $0
	sub(/.*"ratio":/, "", at)
	before[part[4]] = at + 0
}

END {
	for (row = 1; row <= rows; row++)
		measured[row] = evaluate(row)
	if (form == "json")
		report_json()
	else if (form == "markdown")
		report_markdown()
	else if (form == "chart")
		report_chart()
	else
		report_table()
	for (row = 1; row <= rows; row++)
		if (measured[row] && verdict[row] ~ /^FAILED/)
			exit 1
}
