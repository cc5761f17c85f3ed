(function () {
  "use strict";
  var button = document.getElementById("code");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var shown = document.body.classList.toggle("nocode") === false;
      button.setAttribute("aria-pressed", String(shown));
      document.querySelectorAll("details.code").forEach(function (d) { d.open = shown; });
    });
  }
  var contents = document.querySelector(".toc details");
  if (!contents) return;
  var wide = window.matchMedia("(min-width: 1000px)");
  function fold() { contents.open = wide.matches; }
  wide.addEventListener("change", fold);
  fold();
  var links = {};
  contents.querySelectorAll("a").forEach(function (a) { links[decodeURIComponent(a.hash.slice(1))] = a; });
  var watcher = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (!entry.isIntersecting) return;
      Object.keys(links).forEach(function (id) { links[id].removeAttribute("aria-current"); });
      links[entry.target.id].setAttribute("aria-current", "true");
    });
  }, { rootMargin: "0px 0px -70% 0px" });
  Object.keys(links).forEach(function (id) {
    var heading = document.getElementById(id);
    if (heading) watcher.observe(heading);
  });
})();
