// Charts, panels and longer lists. Every page is readable without it.
(() => {
    "use strict";

    const charts = new Map();
    const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
    const exact = new Intl.NumberFormat("en");
    // Nothing is pointed at: a dash. Pointed at and not known: that.
    const shown = (self, value, series, place) => (place == null ? "–" : value == null ? "unknown" : exact.format(value));

    const axis = (extra) => ({
        stroke: color("--muted"),
        grid: { stroke: color("--line"), width: 1 },
        ticks: { stroke: color("--line"), width: 1 },
        font: "12px system-ui, sans-serif",
        ...extra,
    });
    // Hours of the zone's clock; a day's name at its beginning and on longer spans.
    const times = (zone) => {
        const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
        const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
        return (self, ticks, number, space, step) =>
            ticks.map((tick) => {
                const shownClock = clock.format(tick * 1000);
                return step >= 86400 || shownClock === "00:00" ? day.format(tick * 1000) : shownClock;
            });
    };
    const moment = (zone) => {
        const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
        return (self, time) => (time == null ? "–" : format.format(time * 1000));
    };
    const numbers = (self, ticks) => ticks.map((value) => compact.format(value));

    function base(box, data, height) {
        return {
            width: Math.max(240, box.clientWidth),
            height,
            tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), data.timezone),
            cursor: { drag: { x: false, y: false }, points: { size: 7 } },
            legend: { live: true },
        };
    }

    // Times that nobody listened to from end to end are hatched, so that a gap is not mistaken for silence.
    function hatchGaps(self, times, isGap, half) {
        const { ctx } = self;
        const { left, top, width, height } = self.bbox;
        ctx.save();
        ctx.beginPath();
        ctx.rect(left, top, width, height);
        ctx.clip();
        ctx.strokeStyle = color("--hatch");
        ctx.lineWidth = devicePixelRatio;
        times.forEach((time, place) => {
            if (!isGap[place]) return;
            const from = self.valToPos(time - half, "x", true);
            const to = self.valToPos(time + half, "x", true);
            ctx.save();
            ctx.beginPath();
            ctx.rect(from, top, to - from, height);
            ctx.clip();
            ctx.beginPath();
            for (let x = from - height; x < to; x += 7 * devicePixelRatio) {
                ctx.moveTo(x, top + height);
                ctx.lineTo(x + height, top);
            }
            ctx.stroke();
            ctx.restore();
        });
        ctx.restore();
    }

    const makers = {
        volume(box, data) {
            const half = data.times.length > 1 ? (data.times[1] - data.times[0]) / 2 : 1800;
            // A bucket's bar stands in its middle.
            const middles = data.times.map((time) => time + half);
            const closed = data.tweets.map((value, place) => (data.complete[place] ? value : null));
            const open = data.tweets.map((value, place) => (data.complete[place] ? null : value));
            // The open bucket is not over: it is a gap only where nothing is known of it.
            const gaps = data.covered.map((covered, place) => (data.complete[place] ? !covered : data.tweets[place] === null));
            const bars = uPlot.paths.bars({ size: [0.78, 60], radius: 0.18 });
            const format = new Intl.DateTimeFormat("en-GB", {
                timeZone: data.timezone,
                day: "2-digit",
                month: "short",
                ...(data.unit === "hours" ? { hour: "2-digit", minute: "2-digit" } : {}),
            });
            const options = {
                ...base(box, data, 270),
                scales: {
                    x: { range: [data.times[0], data.times[data.times.length - 1] + 2 * half] },
                    y: { range: (self, low, high) => [0, Math.max(1, high * 1.08)] },
                    engagement: { range: (self, low, high) => [0, Math.max(1, high * 1.08)] },
                },
                axes: [
                    axis({ values: times(data.timezone) }),
                    axis({ values: numbers, size: 52 }),
                    axis({ scale: "engagement", side: 1, values: numbers, size: 52, grid: { show: false } }),
                ],
                series: [
                    { label: "From", value: (self, time) => (time == null ? "–" : format.format((time - half) * 1000)) },
                    { label: "Tweets", fill: color("--bar"), width: 0, paths: bars, points: { show: false }, value: shown },
                    { label: "Tweets, still open", fill: color("--bar-open"), width: 0, paths: bars, points: { show: false }, value: (self, value) => (value == null ? "–" : exact.format(value)) },
                    { label: "Engagement", scale: "engagement", stroke: color("--second"), width: 2, points: { show: false }, spanGaps: false, value: shown },
                ],
                hooks: { drawClear: [(self) => hatchGaps(self, middles, gaps, half)] },
            };
            return { options, rows: [middles, closed, open, data.engagement], name: "Tweets and engagement over time" };
        },
        curve(box, data) {
            const line = (label, name, values) => [{ label, stroke: color(name), width: 2, value: shown }, values];
            const lines = [line("Engagement", "--accent", data.total), line("Likes", "--second", data.likes), line("Retweets", "--good", data.retweets)];
            return {
                options: { ...base(box, data, 240), axes: [axis({ values: times(data.timezone) }), axis({ values: numbers, size: 52 })], series: [{ label: "At", value: moment(data.timezone) }, ...lines.map(([series]) => series)] },
                rows: [data.times, ...lines.map(([, values]) => values)],
                name: "Engagement of this tweet over time",
            };
        },
        growth(box, data) {
            return {
                options: {
                    ...base(box, data, 220),
                    axes: [axis({ values: times(data.timezone) }), axis({ values: numbers, size: 58 })],
                    series: [{ label: "At", value: moment(data.timezone) }, { label: "Followers", stroke: color("--accent"), fill: color("--accent-soft"), width: 2, value: shown }],
                },
                rows: [data.times, data.followers],
                name: "Followers over time",
            };
        },
    };

    function draw(box) {
        const data = JSON.parse(document.getElementById(box.dataset.source).textContent);
        if (!data.times.length) return;
        charts.get(box)?.destroy();
        const { options, rows, name } = makers[box.dataset.chart](box, data);
        const chart = new uPlot(options, rows, box);
        charts.set(box, chart);
        makeReadable(box, chart, rows, name);
    }

    // The arrow keys move along the chart; what the cursor shows is read out.
    function makeReadable(box, chart, rows, name) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", `${name}. Use the arrow keys to read values; a table follows.`);
        let said = box.querySelector(".said");
        if (!said) {
            said = document.createElement("p");
            said.className = "said visually-hidden";
            said.setAttribute("aria-live", "polite");
            box.append(said);
        }
        let place = rows[0].length - 1;
        box.onkeydown = (event) => {
            const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
            if (step === undefined) return;
            event.preventDefault();
            place = Math.min(rows[0].length - 1, Math.max(0, place + step));
            chart.setCursor({ left: chart.valToPos(rows[0][place], "x"), top: 20 });
            said.textContent = chart.series
                .map((series, number) => (number === 0 || rows[number][place] != null ? `${series.label}: ${series.value ? textOf(series, chart, rows, number, place) : rows[number][place]}` : ""))
                .filter(Boolean)
                .join(", ");
        };
    }

    function textOf(series, chart, rows, number, place) {
        return typeof series.value === "function" ? series.value(chart, rows[number][place], number, place) : rows[number][place];
    }

    function drawAll(root) {
        root.querySelectorAll("[data-chart]").forEach(draw);
    }

    async function fetched(address) {
        const answer = await fetch(address, { headers: { Accept: "text/html", "X-Fragment": "1" } });
        const body = await answer.text();
        const main = new DOMParser().parseFromString(body, "text/html");
        return answer.ok ? body : main.querySelector("main")?.innerHTML ?? "This could not be loaded.";
    }

    const panel = document.getElementById("panel");
    document.addEventListener("click", async (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        const more = event.target.closest("a[data-more]");
        if (more) {
            event.preventDefault();
            const item = more.closest("li");
            more.textContent = "Loading…";
            const holder = document.createElement("ul");
            holder.innerHTML = await fetched(more.href);
            const first = holder.querySelector("a");
            item.replaceWith(...holder.children);
            first?.focus();
            return;
        }
        const opened = event.target.closest("a[data-panel]");
        if (opened && panel) {
            event.preventDefault();
            const body = document.getElementById("panel-body");
            body.innerHTML = await fetched(opened.href);
            if (!panel.open) panel.showModal();
            panel.scrollTop = 0;
            drawAll(body);
        }
    });
    panel?.addEventListener("click", (event) => {
        if (event.target === panel) panel.close();
    });

    document.getElementById("theme")?.addEventListener("click", () => {
        const root = document.documentElement;
        const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
        root.dataset.theme = isDark ? "light" : "dark";
        localStorage.setItem("theme", root.dataset.theme);
        charts.forEach((_chart, box) => (box.isConnected ? draw(box) : charts.delete(box)));
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));

    let waiting;
    addEventListener("resize", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => charts.forEach((chart, box) => box.isConnected && chart.setSize({ width: Math.max(240, box.clientWidth), height: chart.height })), 120);
    });
    drawAll(document);
})();
