// Fonts that are there anyway: nothing comes from elsewhere.
Redoc.init(
  "openapi.json",
  {
    hideHostname: true,
    theme: { typography: { fontFamily: "sans-serif", headings: { fontFamily: "sans-serif" }, code: { fontFamily: "monospace" } } },
  },
  document.getElementById("redoc"),
);
