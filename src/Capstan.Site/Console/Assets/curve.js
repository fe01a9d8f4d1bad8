// How far an advertisement came over time: see lines.js.
'use strict';
drawLines(({ rows, series, figure }) => {
  const from = rows[0].at, until = rows[rows.length - 1].at, day = 86400000;
  const targeted = Number(figure.dataset.targeted);
  const line = index => rows.map(row => ({ x: row.at, y: row.values[index] }));
  return {
    from, until, most: targeted * 1.05, ticks: { maxTicksLimit: 7 },
    name: new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', ...(until - from > 3 * day ? {} : { hour: '2-digit', minute: '2-digit' }), timeZone: 'UTC' }),
    datasets: [
      series('succeeded', line(3), 'good', { borderWidth: 2.5 }),
      series('failed', line(4), 'bad', { borderDash: [8, 4] }),
      series('has run it', line(2), 'accent', { borderWidth: 1.5 }),
      series('has the content', line(1), 'muted', { borderWidth: 1.5, borderDash: [3, 4] }),
      series(`targeted ${targeted}`, [{ x: from, y: targeted }, { x: until, y: targeted }], 'care', { borderWidth: 1.5, borderDash: [2, 3] }),
    ],
  };
});
