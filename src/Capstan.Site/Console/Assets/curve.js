// Draws how far an advertisement came over time from the table below it, and closes that table. Without this script the open table is all there is.
// The figures are those of the table: rows with data-at (Unix milliseconds), cells with data-value.
(() => {
  'use strict';
  const figure = document.querySelector('figure.chart');
  const table = document.querySelector('table.figures');
  if (!figure || !table || !window.Chart) return;

  const rows = [...table.tBodies[0].rows].map(row => ({
    at: Number(row.dataset.at),
    values: [...row.cells].slice(1).map(cell => Number(cell.dataset.value)),
  })).sort((a, b) => a.at - b.at);
  if (rows.length === 0) return;

  const from = rows[0].at, until = rows[rows.length - 1].at, day = 86400000;
  const targeted = Number(figure.dataset.targeted);
  const name = new Intl.DateTimeFormat('en-GB', until - from > 3 * day ? { day: 'numeric', month: 'short', timeZone: 'UTC' } : { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', timeZone: 'UTC' });
  const canvas = figure.querySelector('canvas');
  let chart;

  // A line in the legend looks as it does in the chart, not only by its colour.
  const dashed = chart => Chart.defaults.plugins.legend.labels.generateLabels(chart).map(item => ({ ...item, lineDash: chart.data.datasets[item.datasetIndex].borderDash ?? [] }));

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const color = name => style.getPropertyValue('--' + name).trim();
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13 };
    const series = (label, index, name, more) => ({
      label, data: rows.map(row => ({ x: row.at, y: row.values[index] })), borderColor: color(name), backgroundColor: color(name), borderWidth: 2, pointRadius: 0, pointHitRadius: 8, pointStyle: 'line', ...more,
    });
    const datasets = [
      series('succeeded', 3, 'good', { borderWidth: 2.5 }),
      series('failed', 4, 'bad', { borderDash: [8, 4] }),
      series('has run it', 2, 'accent', { borderWidth: 1.5 }),
      series('has the content', 1, 'muted', { borderWidth: 1.5, borderDash: [3, 4] }),
      { label: `targeted ${targeted}`, data: [{ x: from, y: targeted }, { x: until, y: targeted }], borderColor: color('care'), backgroundColor: color('care'), borderWidth: 1.5, borderDash: [2, 3], pointRadius: 0, pointStyle: 'line' },
    ];
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
          x: { type: 'linear', min: from, max: until, grid: { color: color('line') }, border: { color: color('line') }, ticks: { maxTicksLimit: 7, maxRotation: 0, color: color('muted'), font, callback: value => name.format(value) } },
          y: { beginAtZero: true, suggestedMax: targeted * 1.05, grid: { color: color('line') }, border: { color: color('line') }, ticks: { precision: 0, color: color('muted'), font } },
        },
        plugins: {
          legend: { position: 'bottom', align: 'start', labels: { usePointStyle: true, color: color('text'), font, padding: 12, generateLabels: dashed } },
          tooltip: { callbacks: { title: items => new Date(items[0].parsed.x).toISOString().replace('T', ' ').slice(0, 16) + ' UTC', label: item => `${item.dataset.label}: ${item.parsed.y}` } },
        },
      },
    });
  }

  figure.hidden = false;
  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  table.closest('details').open = false;
})();
