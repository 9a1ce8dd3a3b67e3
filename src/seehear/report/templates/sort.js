// Sort the gallery by a column; a second click reverses the order. Empty cells stay last.
(() => {
  const table = document.querySelector("table.gallery");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const keyOf = (row, column) => row.cells[column].dataset.value ?? "";
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    if (a === "nan") return b === "nan" ? 0 : 1;  // NaN sorts as the highest value
    if (b === "nan") return -1;
    return isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
  };
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const x = keyOf(a, column), y = keyOf(b, column);
        if (x === "" || y === "") return (x === "") - (y === "");
        return down ? compare(y, x) : compare(x, y);
      });
      body.append(...rows);
    });
  });
})();
