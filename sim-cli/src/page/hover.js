// Says what is under the pointer. Without it the page shows the same.
(function () {
  "use strict";
  var tip = document.getElementById("tip");
  function number(value) {
    var digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
    return Number(value).toFixed(digits);
  }
  function show(event, text) {
    tip.textContent = text;
    tip.hidden = false;
    var left = event.clientX + 14, box = tip.getBoundingClientRect();
    if (left + box.width > innerWidth - 8) { left = event.clientX - box.width - 14; }
    tip.style.left = left + "px";
    tip.style.top = Math.max(8, event.clientY - box.height - 10) + "px";
  }
  function watch(svg, text) {
    var cross = svg.querySelector(".cross"), data = svg.dataset;
    var left = +data.left, right = +data.right, low = +data.low, high = +data.high;
    svg.addEventListener("pointermove", function (event) {
      var at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      var said = at.x >= left && at.x <= right &&
        text(low + (at.x - left) / (right - left) * (high - low), at.y);
      tip.hidden = !said;
      cross.style.visibility = said ? "visible" : "hidden";
      if (!said) { return; }
      cross.setAttribute("x1", at.x);
      cross.setAttribute("x2", at.x);
      show(event, said);
    });
    svg.addEventListener("pointerleave", function () {
      tip.hidden = true;
      cross.style.visibility = "hidden";
    });
  }
  document.querySelectorAll("svg.chart").forEach(function (svg) {
    var lines = JSON.parse(svg.dataset.lines);
    if (!lines.length) { return; }
    watch(svg, function (x) {
      return lines.reduce(function (said, line) {
        var points = line[3], nth = 0;
        while (nth + 1 < points.length && points[nth + 1][0] <= x) { nth += 1; }
        if (!line[2] && nth + 1 < points.length && points[nth + 1][0] - x < x - points[nth][0]) { nth += 1; }
        return said + "\n" + line[0] + ": " + number(points[nth][1]) + line[1];
      }, number(x) + svg.dataset.unit);
    });
  });
  var shares = ["none", "up to 2 %", "2 to 10 %", "10 to 25 %", "25 to 50 %", "50 to 75 %", "more than 75 %"];
  document.querySelectorAll("svg.heat").forEach(function (svg) {
    var data = svg.dataset, rows = data.cells.split(" "), times = data.times.split(" ").map(Number);
    var top = +data.top, bottom = +data.bottom, nodes = +data.nodes;
    var cross = svg.querySelector(".cross");
    cross.setAttribute("y1", top);
    cross.setAttribute("y2", bottom);
    watch(svg, function (x, y) {
      var row = Math.floor((y - top) / (bottom - top) * rows.length), column = 0;
      if (row < 0 || row >= rows.length) { return ""; }
      while (column + 1 < times.length && times[column] < x) { column += 1; }
      var first = Math.floor(row * nodes / rows.length), last = Math.floor((row + 1) * nodes / rows.length) - 1;
      var level = rows[row].charCodeAt(column) - 97;
      return (first === last ? "node " + first : "nodes " + first + " to " + last) + " at " + number(x) + " s\n" +
        shares[level % 7] + " " + data.what + (level > 7 ? ", though it runs" : "");
    });
  });
})();
