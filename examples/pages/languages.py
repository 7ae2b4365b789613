"""What the client says in other languages: ``{{ quart_idle(texts=TEXTS[language]) }}``.

Run ``hypercorn examples.pages.languages:app`` and open http://127.0.0.1:8000/?language=ar. Numbers
and plurals, as in "2 minutes", are the browser's, by the page's ``lang``.
"""

from __future__ import annotations

from typing import Final

from quart import Quart, render_template_string, request, session

from quart_idle import QuartIdle

TEXTS: Final[dict[str, dict[str, str]]] = {
    "de": {
        "title": "Sie werden gleich abgemeldet",
        "warning": "Zu Ihrer Sicherheit melden wir Sie in {time} ab.",
        "final": "Zu Ihrer Sicherheit melden wir Sie in {time} ab, ohne Aufschub. Bitte speichern.",
        "stay": "Angemeldet bleiben",
        "wait": "Bitte warten …",
        "dismiss": "Weiter",
        "signOut": "Abmelden",
        "trouble": "Der Server ist nicht erreichbar. Wir versuchen es weiter …",
        "checking": "Wir prüfen, ob Sie noch angemeldet sind …",
        "ended": "Sie wurden abgemeldet",
        "signIn": "Wieder anmelden",
        "reload": "Seite neu laden",
        "draft": "Sie haben hier noch nicht gesendete Änderungen ({time}).",
        "restore": "Wiederherstellen",
        "restored": "Wiederhergestellt.",
        "discard": "Verwerfen",
        "later": "Später",
        "discarded": "Verworfen.",
        "undo": "Rückgängig machen",
        "kept": "Ihre Eingaben bleiben erhalten.",
        "confirm": "Bitte bestätigen Sie, dass Sie es sind",
        "confirmWhy": "Zu Ihrer Sicherheit: Melden Sie sich noch einmal an. Diese Seite bleibt so.",
        "cancel": "Abbrechen",
        "by idle": "Zu Ihrer Sicherheit: Sie waren längere Zeit nicht aktiv.",
        "by lifetime": "Zu Ihrer Sicherheit: Ihre Zeit ist abgelaufen.",
        "by closed": "Zu Ihrer Sicherheit: Alle Seiten waren geschlossen.",
        "by limit": "Sie haben sich auf einem anderen Gerät angemeldet; deren Zahl ist begrenzt.",
        "by signed out": "Sie haben sich abgemeldet, vielleicht in einem anderen Tab.",
        "by signed out everywhere": "Sie wurden überall abgemeldet.",
        "by ended from elsewhere": "Sie wurden von einem anderen Gerät aus abgemeldet.",
        "by switched": "Jemand anderes hat sich angemeldet, vielleicht in einem anderen Tab.",
        "by regenerated": "Bitte melden Sie sich wieder an.",
        "by unknown": "Bitte melden Sie sich wieder an.",
        "other": "Der Grund: {reason}.",
    },
    "es": {
        "title": "Su sesión está a punto de cerrarse",
        "warning": "Por su seguridad, cerraremos su sesión en {time}.",
        "final": "Por su seguridad, cerraremos su sesión en {time}. No puede quedarse más. Guarde.",
        "stay": "Seguir conectado",
        "wait": "Espere…",
        "dismiss": "Continuar",
        "signOut": "Cerrar sesión",
        "trouble": "No hay conexión con el servidor. Seguimos intentándolo…",
        "checking": "Comprobando si su sesión sigue abierta…",
        "ended": "Se ha cerrado su sesión",
        "signIn": "Iniciar sesión de nuevo",
        "reload": "Volver a cargar la página",
        "draft": "Tiene cambios sin enviar de {time}.",
        "restore": "Recuperar",
        "restored": "Recuperado.",
        "discard": "Descartar",
        "later": "Más tarde",
        "discarded": "Descartado.",
        "undo": "Deshacer",
        "kept": "Se conserva lo que ha escrito.",
        "confirm": "Confirme que es usted",
        "confirmWhy": "Por su seguridad, inicie sesión de nuevo. Esta página queda como está.",
        "cancel": "Cancelar",
        "by idle": "Por su seguridad: no había actividad.",
        "by lifetime": "Por su seguridad: se agotó el tiempo.",
        "by closed": "Por su seguridad: todas las páginas estaban cerradas.",
        "by limit": "Inició sesión en otro dispositivo, y su número es limitado.",
        "by signed out": "Usted cerró la sesión, quizá en otra pestaña.",
        "by signed out everywhere": "Se cerró su sesión en todas partes.",
        "by ended from elsewhere": "Se cerró su sesión desde otro dispositivo.",
        "by switched": "Otra persona ha iniciado sesión, quizá en otra pestaña.",
        "by regenerated": "Inicie sesión de nuevo.",
        "by unknown": "Inicie sesión de nuevo.",
        "other": "El motivo: {reason}.",
    },
    "ar": {
        "title": "سيتم تسجيل خروجك قريبًا",
        "warning": "حفاظًا على أمانك، سنسجّل خروجك خلال {time}.",
        "final": "حفاظًا على أمانك، سنسجّل خروجك خلال {time}. احفظ عملك. لا يمكنك البقاء أكثر.",
        "stay": "البقاء مسجّلاً",
        "wait": "يرجى الانتظار…",
        "dismiss": "متابعة",
        "signOut": "تسجيل الخروج",
        "trouble": "تعذّر الاتصال بالخادم. نحاول مجددًا…",
        "checking": "نتحقق مما إذا كنت لا تزال مسجّلاً…",
        "ended": "تم تسجيل خروجك",
        "signIn": "تسجيل الدخول مجددًا",
        "reload": "إعادة تحميل الصفحة",
        "draft": "لديك تغييرات لم تُرسل ({time}).",
        "restore": "استعادة",
        "restored": "تمت الاستعادة.",
        "discard": "تجاهل",
        "later": "لاحقًا",
        "discarded": "تم التجاهل.",
        "undo": "تراجع",
        "kept": "ما كتبته محفوظ.",
        "confirm": "يرجى تأكيد هويتك",
        "confirmWhy": "حفاظًا على أمانك، سجّل الدخول مجددًا للمتابعة. ستبقى هذه الصفحة كما هي.",
        "cancel": "إلغاء",
        "by idle": "حفاظًا على أمانك: لم يكن هناك نشاط.",
        "by lifetime": "حفاظًا على أمانك: انتهى الوقت المحدد.",
        "by closed": "حفاظًا على أمانك: أُغلقت جميع الصفحات.",
        "by limit": "سجّلت الدخول على جهاز آخر، وعدد الأجهزة محدود.",
        "by signed out": "سجّلت خروجك، ربما في علامة تبويب أخرى.",
        "by signed out everywhere": "تم تسجيل خروجك من كل مكان.",
        "by ended from elsewhere": "تم تسجيل خروجك من جهاز آخر.",
        "by switched": "سجّل شخص آخر الدخول، ربما في علامة تبويب أخرى.",
        "by regenerated": "يرجى تسجيل الدخول مجددًا.",
        "by unknown": "يرجى تسجيل الدخول مجددًا.",
        "other": "السبب: {reason}.",
    },
}

app = Quart(__name__)
QuartIdle(app, timeout=60, warning=30, keepalive="activity")

PAGE = """<!doctype html>
<html lang="{{ language }}" dir="{{ 'rtl' if language == 'ar' else 'ltr' }}">
<meta charset="utf-8"><title>{{ language }}</title>
{{ quart_idle(texts=texts) }}
<p>{% for other in ("en", "de", "es", "ar") %}<a href="?language={{ other }}">{{ other }}</a>
{% endfor %}</p>
"""


@app.get("/")
async def page() -> str:
    session.user_id = "anybody"
    asked = request.args.get("language", "en")
    language = asked if asked in TEXTS else "en"
    return await render_template_string(PAGE, language=language, texts=TEXTS.get(language))
