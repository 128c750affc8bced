"use strict";
(() => {
  const root = document.documentElement;
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (media.matches ? "dark" : "light")) === "dark";
  const shown = new Map(); // chart's element: its view

  const config = () => {
    const style = getComputedStyle(root);
    const ink = style.getPropertyValue("--ink").trim();
    const soft = style.getPropertyValue("--soft").trim();
    const line = style.getPropertyValue("--line").trim();
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: null, font, view: { stroke: null },
      axis: { labelColor: soft, titleColor: soft, titleFontWeight: "normal", gridColor: line,
              gridOpacity: 0.6, domainColor: line, tickColor: line, labelFontSize: 11,
              titleFontSize: 12 },
      legend: { labelColor: ink, titleColor: soft, titleFontWeight: "normal", labelFontSize: 12,
                columnPadding: 14 },
      text: { color: ink }, bar: { stroke: null }, rule: { color: soft },
    };
  };

  const draw = async (script) => {
    const element = document.getElementById(script.dataset.for);
    if (shown.has(element)) shown.get(element).finalize();
    const result = await vegaEmbed(element, JSON.parse(script.textContent), {
      mode: "vega-lite", renderer: "svg", actions: false, config: config(),
      tooltip: { theme: dark() ? "dark" : "light" },
    });
    shown.set(element, result);
  };

  const visible = (script) => !script.closest("[hidden]");
  const fail = (script, error) => {
    const element = document.getElementById(script.dataset.for);
    element.textContent = `This chart cannot be drawn: ${error.message}`;
    console.error(script.dataset.for, error);
  };
  const drawAll = async (again) => {
    for (const script of document.querySelectorAll("script.spec")) {
      const there = shown.has(document.getElementById(script.dataset.for));
      if (visible(script) && (again || !there)) {
        await draw(script).catch((error) => fail(script, error));
      }
    }
    root.dataset.drawn = String(shown.size);
  };
  let work = Promise.resolve();
  const request = (again) => { delete root.dataset.drawn; work = work.then(() => drawAll(again)); };

  for (const choice of document.querySelectorAll(".choice")) {
    choice.addEventListener("change", (event) => {
      const options = choice.querySelectorAll(":scope > .option");
      options.forEach((option, place) => { option.hidden = String(place) !== event.target.value; });
      request(false);
    });
  }
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    request(true);
  });
  media.addEventListener("change", () => request(true));
  if (navigator.clipboard) {
    for (const button of document.querySelectorAll(".copy")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.previousElementSibling.textContent);
        button.textContent = "Copied";
      });
    }
  }
  request(false);
})();
