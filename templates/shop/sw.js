{% load static %}// Shows the offline page when a page cannot be reached. It caches nothing else: prices and keys come from the server.
const OFFLINE = "{% url "shop:offline" %}";
const PARTS = ["{% static "shop.css" %}", "{% static "icons.svg" %}", "{% static "favicon.svg" %}"];
const CACHE = "offline " + PARTS.join(" ");

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([OFFLINE, ...PARTS])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.registration.navigationPreload && self.registration.navigationPreload.enable())
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const request = event.request;
  if (request.mode === "navigate" && request.method === "GET") {
    event.respondWith(
      Promise.resolve(event.preloadResponse)
        .then((ready) => ready || fetch(request))
        .catch(() => caches.match(OFFLINE)),
    );
  } else if (PARTS.includes(new URL(request.url).pathname)) {
    event.respondWith(fetch(request).catch(() => caches.match(new URL(request.url).pathname)));
  }
});
