// How many connections a CAP had, hour by hour, against its limit: see lines.js.
'use strict';
drawLines(({ rows, series, figure }) => {
  const hour = 3600000, day = 24 * hour, mean = 0, peak = 1, refused = 2;
  // An hour without a report is a gap, not a zero.
  const line = index => rows.flatMap((row, i) => i > 0 && row.at - rows[i - 1].at > hour
    ? [{ x: rows[i - 1].at + hour, y: null }, { x: row.at, y: row.values[index] }] : [{ x: row.at, y: row.values[index] }]);
  // Whole days, so that each begins at a line.
  const from = Math.floor(rows[0].at / day) * day, until = Math.ceil((rows[rows.length - 1].at + 1) / day) * day;
  const level = y => [{ x: from, y }, { x: until, y }];
  const limit = Number(figure.dataset.limit), usable = Number(figure.dataset.usable);
  const pointRadius = rows.length === 1 ? 3 : 0;
  const datasets = [
    series('most at one time, estimated', line(peak), 'accent', { pointRadius }),
    series('mean of the hour', line(mean), 'muted', { borderWidth: 1.5, pointRadius }),
  ];
  if (limit) datasets.push(series(`limit ${limit}`, level(limit), 'bad', { borderDash: [8, 4] }));
  if (usable && usable !== limit) datasets.push(series(`limit less headroom ${usable}`, level(usable), 'care', { borderDash: [3, 4] }));
  const turned = rows.filter(row => row.values[refused] > 0);
  if (turned.length > 0)
    datasets.push(series('clients refused', turned.map(row => ({ x: row.at, y: row.values[peak], refused: row.values[refused] })), 'bad', { showLine: false, pointStyle: 'triangle', pointRadius: 6 }));
  return {
    datasets, from, until, most: limit ? limit * 1.05 : 1, ticks: { stepSize: day },
    name: new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' }),
    label: item => item.raw.refused ? `clients refused: ${item.raw.refused} times` : undefined,
  };
});
