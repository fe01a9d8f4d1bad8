// Draws the table of a CAP's connections as a line chart, and closes the table under it. Without this script the open table is all there is.
// The figures are those of the table: rows with data-at (Unix milliseconds), cells with data-value.
(() => {
  'use strict';
  const figure = document.querySelector('figure.chart');
  const table = document.querySelector('table.figures');
  if (!figure || !table || !window.Chart) return;

  const hour = 3600000, day = 24 * hour;
  const rows = [...table.tBodies[0].rows].map(row => ({
    at: Number(row.dataset.at),
    mean: Number(row.cells[1].dataset.value),
    peak: Number(row.cells[2].dataset.value),
    refused: Number(row.cells[3].dataset.value),
  })).sort((a, b) => a.at - b.at);
  if (rows.length === 0) return;

  // An hour without a report is a gap, not a zero.
  const line = value => rows.flatMap((row, i) =>
    i > 0 && row.at - rows[i - 1].at > hour ? [{ x: rows[i - 1].at + hour, y: null }, { x: row.at, y: value(row) }] : [{ x: row.at, y: value(row) }]);
  // Whole days, so that each begins at a line.
  const from = Math.floor(rows[0].at / day) * day, until = Math.ceil((rows[rows.length - 1].at + 1) / day) * day;
  const level = y => [{ x: from, y }, { x: until, y }];
  const limit = Number(figure.dataset.limit), usable = Number(figure.dataset.usable);
  const dayName = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
  const canvas = figure.querySelector('canvas');
  let chart;

  // A line in the legend looks as it does in the chart, not only by its colour.
  const dashed = chart => Chart.defaults.plugins.legend.labels.generateLabels(chart).map(item => ({ ...item, lineDash: chart.data.datasets[item.datasetIndex].borderDash ?? [] }));

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const color = name => style.getPropertyValue('--' + name).trim();
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13 };
    const series = (label, data, name, more) => ({ label, data, borderColor: color(name), backgroundColor: color(name), borderWidth: 2, pointRadius: rows.length === 1 ? 3 : 0, pointHitRadius: 8, pointStyle: 'line', ...more });
    const datasets = [
      series('most at one time, estimated', line(row => row.peak), 'accent'),
      series('mean of the hour', line(row => row.mean), 'muted', { borderWidth: 1.5 }),
    ];
    if (limit) datasets.push(series(`limit ${limit}`, level(limit), 'bad', { borderDash: [8, 4] }));
    if (usable && usable !== limit) datasets.push(series(`limit less headroom ${usable}`, level(usable), 'care', { borderDash: [3, 4] }));
    const refused = rows.filter(row => row.refused > 0);
    if (refused.length > 0)
      datasets.push(series('clients refused', refused.map(row => ({ x: row.at, y: row.peak, refused: row.refused })), 'bad', { showLine: false, pointStyle: 'triangle', pointRadius: 6 }));
    chart?.destroy();
    chart = new Chart(canvas, {
      type: 'line',
      data: { datasets },
      options: {
        animation: false,
        maintainAspectRatio: false,
        parsing: false,
        normalized: true,
        interaction: { mode: 'nearest', axis: 'x', intersect: false },
        color: color('text'),
        font,
        scales: {
          x: {
            type: 'linear', min: from, max: until, grid: { color: color('line') }, border: { color: color('line') },
            ticks: { stepSize: day, maxRotation: 0, color: color('muted'), font, callback: value => dayName.format(value) },
          },
          y: {
            beginAtZero: true, suggestedMax: limit ? limit * 1.05 : 1, grid: { color: color('line') }, border: { color: color('line') },
            ticks: { precision: 0, color: color('muted'), font },
          },
        },
        plugins: {
          legend: { position: 'bottom', align: 'start', labels: { usePointStyle: true, color: color('text'), font, padding: 12, generateLabels: dashed } },
          tooltip: {
            callbacks: {
              title: items => new Date(items[0].parsed.x).toISOString().replace('T', ' ').slice(0, 16) + ' UTC',
              label: item => item.raw.refused ? `clients refused: ${item.raw.refused} times` : `${item.dataset.label}: ${item.parsed.y}`,
            },
          },
        },
      },
    });
  }

  figure.hidden = false;
  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  table.closest('details').open = false;
})();
