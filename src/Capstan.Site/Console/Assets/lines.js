// Draws a table of figures as lines over time, and closes that table. Without scripts the open table is all there is.
// The figures are those of the table: rows with data-at (Unix milliseconds), cells with data-value. The script of a page calls drawLines(describe): describe is given the rows, the oldest first, and says what is drawn.
// Where the figure has data-live (seconds), the page is read again so often, and each part of it with data-live and an id is renewed.
window.drawLines = describe => {
  'use strict';
  const figure = document.querySelector('figure.chart');
  const table = document.querySelector('table.figures');
  if (!figure || !table || !window.Chart) return;
  const canvas = figure.querySelector('canvas');
  let chart;

  const read = () => [...table.tBodies[0].rows].map(row => ({ at: Number(row.dataset.at), values: [...row.cells].slice(1).map(cell => Number(cell.dataset.value)) })).sort((a, b) => a.at - b.at);

  // A line in the legend looks as it does in the chart, not only by its colour.
  const dashed = chart => Chart.defaults.plugins.legend.labels.generateLabels(chart).map(item => ({ ...item, lineDash: chart.data.datasets[item.datasetIndex].borderDash ?? [] }));

  function draw() {
    const rows = read();
    if (rows.length === 0) return;
    const style = getComputedStyle(document.documentElement);
    const color = name => style.getPropertyValue('--' + name).trim();
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13 };
    const series = (label, data, name, more) => ({ label, data, borderColor: color(name), backgroundColor: color(name), borderWidth: 2, pointRadius: 0, pointHitRadius: 8, pointStyle: 'line', ...more });
    const what = describe({ rows, series, figure });
    const axis = { grid: { color: color('line') }, border: { color: color('line') } };
    chart?.destroy();
    chart = new Chart(canvas, {
      type: 'line',
      data: { datasets: what.datasets },
      options: {
        animation: false,
        maintainAspectRatio: false,
        parsing: false,
        normalized: true,
        interaction: { mode: 'nearest', axis: 'x', intersect: false },
        color: color('text'),
        font,
        scales: {
          x: { type: 'linear', min: what.from, max: what.until, ...axis, ticks: { maxRotation: 0, autoSkipPadding: 16, color: color('muted'), font, callback: value => what.name.format(value), ...what.ticks } },
          y: { beginAtZero: true, suggestedMax: what.most, ...axis, ticks: { precision: 0, color: color('muted'), font } },
        },
        plugins: {
          legend: { position: 'bottom', align: 'start', labels: { usePointStyle: true, color: color('text'), font, padding: 12, generateLabels: dashed } },
          tooltip: {
            callbacks: {
              title: items => new Date(items[0].parsed.x).toISOString().replace('T', ' ').slice(0, 16) + ' UTC',
              label: item => what.label?.(item) ?? `${item.dataset.label}: ${item.parsed.y}`,
            },
          },
        },
      },
    });
  }

  // What cannot be read now is read the next time; a page that is no such page any more (signed out, removed) changes nothing.
  async function renew() {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { cache: 'no-store' });
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        const now = page.querySelector('figure.chart');
        if (answer.ok && now) {
          for (const part of document.querySelectorAll('[data-live][id]'))
            part.replaceChildren(...(page.getElementById(part.id)?.childNodes ?? part.childNodes));
          for (const name of Object.keys(figure.dataset))
            if (!(name in now.dataset)) delete figure.dataset[name];
          Object.assign(figure.dataset, now.dataset);
          draw();
        }
      } catch (error) {
        console.warn('The figures could not be read again.', error);
      }
    }
    if (figure.dataset.live) setTimeout(renew, figure.dataset.live * 1000);
  }

  figure.hidden = false;
  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  table.closest('details').open = false;
  if (figure.dataset.live) setTimeout(renew, figure.dataset.live * 1000);
};
