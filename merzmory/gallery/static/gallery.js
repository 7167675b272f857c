// The picture that is looked at is in the address (#picture-7): Back closes it, a link opens it.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const works = [...document.querySelectorAll(".work")];
  const viewer = byId("viewer"), room = byId("room"), stage = byId("stage"), beside = byId("beside");
  const dig = byId("dig"), viewerDig = byId("viewer-dig"), wall = byId("wall");
  const WALL_SECONDS = 12, STILL_SECONDS = 3;
  let shown = 0; // number of the picture in the viewer, 0: closed
  let last = 0, entered = false, wallTimer = 0, stillTimer = 0;

  const numberInAddress = () => {
    const found = /^#picture-(\d+)$/.exec(location.hash);
    const number = found ? Number(found[1]) : 0;
    return number <= works.length ? number : 0;
  };

  // ---- the viewer
  const look = (number) => {
    const work = works[number - 1];
    const small = work.querySelector(".frame img");
    const picture = new Image();
    picture.alt = small.alt;
    picture.draggable = false; // a drag is a swipe
    picture.src = work.querySelector(".frame").href;
    shown = last = number;
    const swap = () => {
      if (shown !== number) return; // somebody was faster
      const before = [...stage.children];
      stage.append(picture);
      picture.getBoundingClientRect(); // so that the change of opacity is a transition
      picture.classList.add("shown");
      before.forEach((old) => {
        old.classList.remove("shown");
        setTimeout(() => old.remove(), viewer.classList.contains("wall") ? 2600 : 450);
      });
    };
    picture.decode().then(swap, swap);
    byId("place").textContent = `${number} / ${works.length}`;
    byId("facts").innerHTML = work.querySelector(".facts").innerHTML;
    const nearest = work.querySelector(".nearest");
    beside.replaceChildren(...(nearest ? [nearest.cloneNode(true)] : []));
    digging();
    [number + 1, number - 1].forEach((near) => {
      if (works[near - 1]) new Image().src = works[near - 1].querySelector(".frame").href;
    });
  };

  const follow = () => {
    const number = numberInAddress();
    if (!number) {
      if (viewer.open) viewer.close();
      return;
    }
    if (!viewer.open) {
      stage.replaceChildren();
      viewer.showModal();
    }
    if (shown !== number) look(number);
  };

  const open = (number) => {
    entered = true;
    location.hash = `picture-${number}`;
    follow(); // the event comes later, and a whole screen must be asked for within the click
  };
  const turn = (by) => {
    const number = ((shown - 1 + by + works.length) % works.length) + 1;
    location.replace(`#picture-${number}`);
  };
  const close = () => {
    if (entered) history.back();
    else location.replace("#-"); // names nothing, so the page stays where it is
    entered = false;
  };

  viewer.addEventListener("cancel", (event) => { event.preventDefault(); close(); });
  viewer.addEventListener("close", () => {
    shown = 0;
    stopWall();
    if (document.fullscreenElement) document.exitFullscreen();
    if (last) works[last - 1].querySelector(".frame").focus(); // where one was looking
  });
  window.addEventListener("hashchange", follow);
  document.querySelectorAll(".work .frame").forEach((frame) => {
    frame.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab shows the file
      event.preventDefault();
      open(Number(frame.dataset.number));
    });
  });
  document.querySelector(".hero").addEventListener("click", () => { entered = true; });
  byId("back").addEventListener("click", () => turn(-1));
  byId("on").addEventListener("click", () => turn(1));
  byId("close").addEventListener("click", close);

  // ---- archaeology
  const digging = () => {
    const on = Boolean(dig && dig.checked && beside.childElementCount);
    viewer.classList.toggle("digging", on && !viewer.classList.contains("wall"));
    if (viewerDig) viewerDig.setAttribute("aria-pressed", String(Boolean(dig.checked)));
  };
  const toggleDig = () => { if (dig) { dig.checked = !dig.checked; digging(); } };
  if (dig) dig.addEventListener("change", digging);
  if (viewerDig) viewerDig.addEventListener("click", toggleDig);

  // ---- the wall: picture after picture, the labels only while somebody moves
  const stir = () => {
    viewer.classList.remove("still");
    clearTimeout(stillTimer);
    if (viewer.classList.contains("wall")) {
      stillTimer = setTimeout(() => viewer.classList.add("still"), STILL_SECONDS * 1000);
    }
  };
  const wholeScreen = () => { // a dialog may not be it, what is inside may
    if (room.requestFullscreen) room.requestFullscreen().catch(() => {});
  };
  const startWall = () => {
    if (!viewer.open) open(numberInAddress() || 1);
    viewer.classList.add("wall");
    digging();
    stir();
    clearInterval(wallTimer);
    wallTimer = setInterval(() => turn(1), WALL_SECONDS * 1000);
    wholeScreen();
  };
  const stopWall = () => {
    clearInterval(wallTimer);
    clearTimeout(stillTimer);
    viewer.classList.remove("wall", "still");
    digging();
  };
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement) stopWall();
  });
  wall.hidden = false;
  wall.addEventListener("click", startWall);
  ["pointermove", "pointerdown", "keydown"].forEach((kind) => viewer.addEventListener(kind, stir));

  // ---- keys and fingers
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest && event.target.closest("video")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const does = {
      a: toggleDig,
      w: () => (viewer.classList.contains("wall") ? stopWall() : startWall()),
      ...(viewer.open && {
        ArrowRight: () => turn(1),
        ArrowLeft: () => turn(-1),
        Home: () => turn(1 - shown),
        End: () => turn(works.length - shown),
        f: () => (document.fullscreenElement ? document.exitFullscreen() : wholeScreen()),
      }),
    }[key];
    if (does) { event.preventDefault(); does(); }
  });
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    from = event.isPrimary ? { x: event.clientX, y: event.clientY } : null;
  });
  stage.addEventListener("pointerup", (event) => {
    if (!from) return;
    const x = event.clientX - from.x, y = event.clientY - from.y;
    from = null;
    if (Math.abs(x) > 40 && Math.abs(x) > 1.5 * Math.abs(y)) turn(x < 0 ? 1 : -1);
  });

  follow();
})();
