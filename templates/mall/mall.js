// What such shops' own scripts do: draw the greeting from a readable cookie, and ask the backend where to log in.
(function () {
  "use strict";

  function cookie(name) {
    var found = document.cookie.split("; ").filter(function (pair) {
      return pair.indexOf(name + "=") === 0;
    })[0];
    if (!found) return "";
    var raw = found.slice(name.length + 1);
    try {
      return decodeURIComponent(raw);
    } catch (malformed) {
      return raw;
    }
  }

  var username = cookie("username");
  document.getElementById("stranger").hidden = username !== "";
  document.getElementById("known").hidden = username === "";
  document.getElementById("username").textContent = username;

  function askWhereToLogIn(event) {
    event.preventDefault();
    var link = event.currentTarget;
    var request = new XMLHttpRequest();
    request.open("GET", link.getAttribute("href"));
    request.onload = function () {
      var answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch (notJson) {}
      // Without an address the link itself is the better way: the server then answers with a page that says why.
      location.href = answer.login_url || link.href;
    };
    request.onerror = function () {
      location.href = link.href;
    };
    request.send();
  }

  Array.prototype.forEach.call(document.querySelectorAll("a.qq"), function (link) {
    link.addEventListener("click", askWhereToLogIn);
  });
})();
